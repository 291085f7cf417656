package forktest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/spindle-wasm/spindle"
)

// Outcome is what can be told of a run that is over.
type Outcome struct {
	Output string   // what the guest printed
	End    string   // how it ended
	State  []string // memories, globals and tables that are exported; nil if they cannot be seen from here
}

// Diff returns what differs, empty if nothing does. State counts if both have it.
func (o Outcome) Diff(p Outcome) string {
	switch {
	case o.End != p.End:
		return fmt.Sprintf("ended with %s, not %s", p.End, o.End)
	case o.Output != p.Output:
		return fmt.Sprintf("printed %q, not %q", p.Output, o.Output)
	case o.State == nil || p.State == nil:
		return ""
	}
	for i := range max(len(o.State), len(p.State)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(o.State) {
			a = o.State[i]
		}
		if i < len(p.State) {
			b = p.State[i]
		}
		if a != b {
			return fmt.Sprintf("has %s, not %s", b, a)
		}
	}
	return ""
}

// End tells how a Process ended.
func End(err error) string {
	var exit *spindle.ExitError
	var trap *spindle.TrapError
	switch {
	case err == nil:
		return "exit 0"
	case errors.As(err, &exit):
		return fmt.Sprintf("exit %d", exit.Code)
	case errors.As(err, &trap):
		return fmt.Sprintf("trap: %v (%s)", trap.Code, trap.Detail)
	}
	return "error: " + err.Error()
}

// State tells what the instances of a Process that stands export. Which number a reference has depends on when others were collected, so it is told
// only whether there is one.
func State(p *spindle.Process, mods map[string]*spindle.Module) (state []string, err error) {
	names := make([]string, 0, len(mods))
	for name := range mods {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		inst := p.Instance(name)
		if inst == nil {
			return nil, fmt.Errorf("the Process has no instance %q", name)
		}
		for e := range mods[name].Exports() {
			line, err := export(inst, e)
			if err != nil {
				return nil, err
			}
			if line != "" {
				state = append(state, name+"."+e.Name+": "+line)
			}
		}
	}
	return state, nil
}

func export(inst *spindle.Instance, e spindle.ExportType) (string, error) {
	switch e.Kind {
	case spindle.KindMemory:
		m, err := inst.Memory(e.Name)
		if err != nil {
			return "", err
		}
		b, _ := m.View(0, m.Size())
		h := fnv.New64a()
		h.Write(b) //nolint:errcheck // returns none
		return fmt.Sprintf("%d bytes %016x", len(b), h.Sum64()), nil
	case spindle.KindGlobal:
		g, err := inst.Global(e.Name)
		if err != nil {
			return "", err
		}
		if e.Global.Type.IsRef() {
			return fmt.Sprintf("a reference: %v", g.Get() != 0), nil
		}
		return fmt.Sprint(g.GetV128()), nil
	case spindle.KindTable:
		t, err := inst.Table(e.Name)
		if err != nil {
			return "", err
		}
		var filled []bool
		for i := range t.Size() {
			r, _ := t.Get(i)
			filled = append(filled, r != 0)
		}
		return fmt.Sprint(filled), nil
	}
	return "", nil
}

// Pages is the content of the exported memories of a Process that stands, by instance and export.
type Pages map[string][]byte

// PagesOf copies them.
func PagesOf(p *spindle.Process, mods map[string]*spindle.Module) (Pages, error) {
	pages := Pages{}
	for name, mod := range mods {
		for e := range mod.Exports() {
			if e.Kind != spindle.KindMemory {
				continue
			}
			m, err := p.Instance(name).Memory(e.Name)
			if err != nil {
				return nil, err
			}
			b, _ := m.View(0, m.Size())
			pages[name+"."+e.Name] = bytes.Clone(b)
		}
	}
	return pages, nil
}

// Diff names the first page that differs, empty if none does.
func (p Pages) Diff(q Pages) string {
	const size = 4096
	for name, a := range p {
		b := q[name]
		if len(a) != len(b) {
			return fmt.Sprintf("%s has %d bytes, not %d", name, len(b), len(a))
		}
		for off := 0; off < len(a); off += size {
			if !bytes.Equal(a[off:off+size], b[off:off+size]) {
				return fmt.Sprintf("%s, page %d", name, off/size)
			}
		}
	}
	return ""
}
