package wasm

import "sort"

var variableRules = []special{
	{OpLocalGet, stepLocalGet},
	{OpLocalSet, stepLocalSet},
	{OpLocalTee, stepLocalTee},
	{OpGlobalGet, stepGlobalGet},
	{OpGlobalSet, stepGlobalSet},
}

// localsFrom is a run of locals of one type, up to the next run or the end.
type localsFrom struct {
	first uint64
	typ   ValType
}

// maxFlatLocals bounds the work for a function that does no more than declare many locals.
const maxFlatLocals = 256

func (v *FuncValidator) addLocals(run LocalRun) {
	n := run.Count
	if len(v.runs) == 0 {
		for ; n > 0 && len(v.locals) < maxFlatLocals; n-- {
			v.locals = append(v.locals, run.Type)
		}
	}
	if n > 0 {
		v.runs = append(v.runs, localsFrom{v.numLocals + uint64(run.Count-n), run.Type})
	}
	v.numLocals += uint64(run.Count)
}

// initUnset fills isUnset: the declared locals of types without a default value.
func (v *FuncValidator) initUnset(params int, runs []LocalRun) {
	words := int((v.numLocals + 63) / 64)
	if cap(v.isUnset) < words {
		v.isUnset = make([]uint64, words)
	}
	v.isUnset = v.isUnset[:words]
	clear(v.isUnset)
	first := uint64(params)
	for _, run := range runs {
		end := first + uint64(run.Count)
		if !run.Type.Defaultable() && run.Count > 0 {
			setBits(v.isUnset, first, end)
		}
		first = end
	}
}

// setBits sets the bits first:end, which are not none.
func setBits(words []uint64, first, end uint64) {
	i, last := first/64, (end-1)/64
	head, tail := ^uint64(0)<<(first%64), ^uint64(0)>>(63-(end-1)%64)
	if i == last {
		words[i] |= head & tail
		return
	}
	words[i] |= head
	for i++; i < last; i++ {
		words[i] = ^uint64(0)
	}
	words[last] |= tail
}

// unwindSets forgets the locals that were set since the log had n entries.
func (v *FuncValidator) unwindSets(n int) {
	for _, x := range v.setLog[n:] {
		v.isUnset[x/64] |= 1 << (x % 64)
		v.unset++
	}
	v.setLog = v.setLog[:n]
}

// NumLocals returns the number of locals, parameters included.
func (v *FuncValidator) NumLocals() uint64 { return v.numLocals }

// LocalType returns the type of a local, parameters first.
// Precondition: i < NumLocals.
func (v *FuncValidator) LocalType(i uint32) ValType {
	if uint64(i) < uint64(len(v.locals)) {
		return v.locals[i]
	}
	return v.localOfRun(i)
}

func (v *FuncValidator) localOfRun(i uint32) ValType {
	k := sort.Search(len(v.runs), func(k int) bool { return v.runs[k].first > uint64(i) }) - 1
	return v.runs[k].typ
}

func stepLocalGet(v *FuncValidator, in *Instr, _ *rule) error {
	x := in.Index
	if uint64(x) >= v.numLocals {
		return v.errorf("unknown local %d", x)
	}
	if v.unset > 0 && v.isUnset[x/64]&(1<<(x%64)) != 0 {
		return v.errorf("uninitialized local %d", x)
	}
	v.stack = append(v.stack, v.LocalType(x))
	return nil
}

func stepLocalSet(v *FuncValidator, in *Instr, _ *rule) error {
	x := in.Index
	if uint64(x) >= v.numLocals {
		return v.errorf("unknown local %d", x)
	}
	if err := v.pop(v.LocalType(x)); err != nil {
		return err
	}
	if v.unset > 0 {
		v.setLocal(x)
	}
	return nil
}

func stepLocalTee(v *FuncValidator, in *Instr, r *rule) error {
	if err := stepLocalSet(v, in, r); err != nil {
		return err
	}
	v.push(v.LocalType(in.Index))
	return nil
}

func (v *FuncValidator) setLocal(x uint32) {
	if bit := uint64(1) << (x % 64); v.isUnset[x/64]&bit != 0 {
		v.isUnset[x/64] &^= bit
		v.setLog = append(v.setLog, x)
		v.unset--
	}
}

func (v *FuncValidator) global(x uint32) (*GlobalType, error) {
	if uint64(x) >= uint64(len(v.m.Globals)) {
		return nil, v.errorf("unknown global %d", x)
	}
	return &v.m.Globals[x].Type, nil
}

func stepGlobalGet(v *FuncValidator, in *Instr, _ *rule) error {
	g, err := v.global(in.Index)
	if err != nil {
		return err
	}
	v.push(g.Type)
	return nil
}

func stepGlobalSet(v *FuncValidator, in *Instr, _ *rule) error {
	g, err := v.global(in.Index)
	if err != nil {
		return err
	}
	if !g.Mutable {
		return v.errorf("immutable global %d", in.Index)
	}
	return v.pop(g.Type)
}
