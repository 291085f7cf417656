package wasm

import "math/bits"

// A rule is how the validator steps over one opcode. Instructions whose type the instruction table gives (InstrInfo.Typed)
// share a handful of steps; the others have a step of their own (rules_*.go).
type rule struct {
	step     func(*FuncValidator, *Instr, *rule) error
	feature  Features
	params   [3]ValType // of a typed instruction; addrType stands for the memory's address type
	result   ValType    // Bottom: none
	nparams  uint8
	width    uint8 // InstrInfo.Width
	maxAlign uint8 // log2 of width
	constant Features
	isConst  bool // allowed in constant expressions, if the features in constant are on
}

// addrType in a rule is replaced by the address type of the memory that the instruction names.
const addrType ValType = 1

var rules [NumOpcodes]rule

// The table is built where it stands: it is large enough for a copy on the stack to show in the start-up time of small programs.
func init() {
	t := &rules
	kinds := [256]ValType{'i': I32, 'I': I64, 'f': F32, 'F': F64, 'v': V128, 'a': addrType}
	for op := range t {
		info, r := &instructions[op], &t[op]
		r.step = stepIllegal
		if info.Name == "" {
			continue
		}
		r.feature, r.width, r.nparams = info.Feature, info.Width, uint8(len(info.Params))
		for i := range info.Params {
			r.params[i] = kinds[info.Params[i]]
		}
		if info.Width > 0 {
			r.maxAlign = uint8(bits.Len8(info.Width) - 1)
		}
		if info.Results != "" {
			r.result = kinds[info.Results[0]]
		}
		if info.Typed {
			r.step = typedStep(info)
		}
	}
	for _, group := range [][]special{controlRules, variableRules, memoryRules, tableRules, refRules, gcRules} {
		for _, s := range group {
			t[s.op].step = s.step
		}
	}
	for _, c := range constantOps {
		t[c.op].isConst, t[c.op].constant = true, c.feature
	}
}

// special is the rule of an instruction that is typed by its context.
type special struct {
	op   Opcode
	step func(*FuncValidator, *Instr, *rule) error
}

// typed is the step of an instruction with a fixed signature of types that the instruction table has no letters for.
func typed(result ValType, params ...ValType) func(*FuncValidator, *Instr, *rule) error {
	return func(v *FuncValidator, _ *Instr, _ *rule) error {
		return v.replace(result, params...)
	}
}

// typedStep picks the step of an instruction whose signature the table gives.
func typedStep(info *InstrInfo) func(*FuncValidator, *Instr, *rule) error {
	switch info.Imm {
	case ImmMemarg:
		if info.Feature == FeatureThreads {
			return stepAtomic
		}
		if info.Params == "a" {
			return stepLoad
		}
		return stepStore
	case ImmMemargLane:
		return stepAccessLane
	case ImmMemory:
		return stepMemory
	case ImmLane:
		return stepLane
	case ImmShuffle:
		return stepShuffle
	}
	switch {
	case len(info.Params) == 2 && len(info.Results) == 1:
		return stepBinary
	case len(info.Params) == 1 && len(info.Results) == 1:
		return stepUnary
	case len(info.Params) == 0 && len(info.Results) == 1:
		return stepConst
	}
	return stepTyped
}

func stepIllegal(v *FuncValidator, _ *Instr, _ *rule) error {
	return v.malformed("illegal opcode")
}

// stepTyped steps over any instruction whose rule has its whole type, without address types.
func stepTyped(v *FuncValidator, _ *Instr, r *rule) error { return v.apply(r, I32) }

// apply pops the parameters and pushes the result of a rule.
func (v *FuncValidator) apply(r *rule, addr ValType) error {
	for i := int(r.nparams) - 1; i >= 0; i-- {
		t := r.params[i]
		if t == addrType {
			t = addr
		}
		if err := v.pop(t); err != nil {
			return err
		}
	}
	switch r.result {
	case Bottom:
	case addrType:
		v.push(addr)
	default:
		v.push(r.result)
	}
	return nil
}

// The next three are apply for the frequent shapes, with a short way for the operands being there and of just that type.

func stepBinary(v *FuncValidator, _ *Instr, r *rule) error {
	s := v.stack
	if n := len(s); n-2 >= v.floor && s[n-1] == r.params[1] && s[n-2] == r.params[0] {
		s[n-2] = r.result
		v.stack = s[:n-1]
		return nil
	}
	return v.apply(r, I32)
}

func stepUnary(v *FuncValidator, _ *Instr, r *rule) error {
	s := v.stack
	if n := len(s); n-1 >= v.floor && s[n-1] == r.params[0] {
		s[n-1] = r.result
		return nil
	}
	return v.apply(r, I32)
}

func stepConst(v *FuncValidator, _ *Instr, r *rule) error {
	v.stack = append(v.stack, r.result)
	return nil
}

func stepLane(v *FuncValidator, in *Instr, r *rule) error {
	if in.Lane >= r.width {
		return v.errorf("invalid lane index %d", in.Lane)
	}
	return v.apply(r, I32)
}

func stepShuffle(v *FuncValidator, in *Instr, r *rule) error {
	// Lane indices are below 32: 16 bytes at once.
	if (in.Value|in.Value2)&0xE0E0_E0E0_E0E0_E0E0 != 0 {
		return v.errorf("invalid lane index in shuffle")
	}
	return v.apply(r, I32)
}
