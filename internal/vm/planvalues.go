package vm

import (
	"context"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// planValues are the constant expressions of an instance that each thread evaluates for itself, since objects belong to one thread: those that make
// objects, and those that read globals which such may have set. In the template they are null, so it holds no objects.
type planValues struct {
	globals []uint32
	tables  []int
	elems   []uint32 // passive segments
	active  bool     // the active segments are to be applied again, in their order
}

// findValues finds them. If an object gets into a table, all active segments of all instances are applied again: later ones may write over earlier ones.
func (p *Plan) findValues() {
	if p.heap == nil {
		return
	}
	p.redo = make([]planValues, len(p.t.Store.Instances))
	some, tables := false, false
	for k, inst := range p.t.Store.Instances {
		m, v := inst.Module, &p.redo[k]
		for g := m.NumImportedGlobals; g < len(m.Globals); g++ {
			if p.own(m, &m.Globals[g].Init) {
				v.globals = append(v.globals, uint32(g))
			}
		}
		for t := m.NumImportedTables; t < len(m.Tables); t++ {
			if e := m.Tables[t].Init; e != nil && p.own(m, e) {
				v.tables = append(v.tables, t)
				tables = true
			}
		}
		for s := range m.Elems {
			e := &m.Elems[s]
			own := false
			for x := range e.Exprs {
				own = own || p.own(m, &e.Exprs[x])
			}
			switch {
			case own && e.Mode == wasm.SegmentPassive:
				v.elems = append(v.elems, uint32(s))
			case own && e.Mode == wasm.SegmentActive:
				tables = true
			}
		}
		some = some || len(v.globals)+len(v.elems) > 0
	}
	if !some && !tables {
		p.redo = nil
		return
	}
	for k := range p.redo {
		p.redo[k].active = tables
	}
}

// own reports whether a thread's value of an expression is not the template's.
func (p *Plan) own(m *wasm.Module, e *wasm.ConstExpr) bool {
	var r wasm.InstrReader
	var in wasm.Instr
	r.Reset(e.Code, e.Offset)
	for r.More() {
		if r.Next(&in) != nil {
			return false // it is validated
		}
		switch in.Op {
		case wasm.OpStructNew, wasm.OpStructNewDefault, wasm.OpArrayNew, wasm.OpArrayNewDefault, wasm.OpArrayNewFixed:
			return true
		case wasm.OpGlobalGet:
			if p.t.Store.traced(m.Canon(m.Globals[in.Index].Type.Type)) {
				return true
			}
		}
	}
	return false
}

// reevaluate gives a new thread, which is in its heap by now, its own values. It runs guest state like guest code, so that a collection waits for it.
func (p *Plan) reevaluate(t *Thread) error {
	if p.redo == nil {
		return nil
	}
	if err := t.EnterBackground(context.Background()); err != nil {
		return err
	}
	defer t.Leave()
	for k := range p.redo {
		if err := p.redo[k].apply(t.Store.Instances[k]); err != nil {
			return err
		}
	}
	return nil
}

func (v *planValues) apply(i *Instance) error {
	m, t := i.Module, i.Store.thread
	for _, g := range v.globals {
		lo, hi, err := i.eval(&m.Globals[g].Init)
		if err != nil {
			return err
		}
		i.Global(g).Set(lo, hi)
	}
	for _, k := range v.tables {
		r, _, err := i.eval(m.Tables[k].Init)
		if err != nil {
			return err
		}
		if err := t.TableFill(i.Tables[k], 0, Ref(r), i.Tables[k].Size()); err != nil {
			return err
		}
	}
	for _, s := range v.elems {
		i.ownSegments()
		i.elems[s] = elemState{}
		if err := i.evalElems(s); err != nil {
			return err
		}
	}
	if !v.active {
		return nil
	}
	for s := range m.Elems {
		if m.Elems[s].Mode != wasm.SegmentActive {
			continue
		}
		// As it was before it was applied; applying it drops it again.
		i.ownSegments()
		i.elems[s] = elemState{}
		if err := i.evalElems(uint32(s)); err != nil {
			return err
		}
		if err := i.applyElem(uint32(s)); err != nil {
			return err
		}
	}
	return nil
}
