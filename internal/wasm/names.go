package wasm

import (
	"fmt"
	"iter"
	"sort"
	"unicode/utf8"
)

// Names are the contents of the name section (specification: Appendix, Name Section; fields and tags by the GC and exception handling
// proposals), as far as they are well-formed: what cannot be read is left out. Maps are nil where there is nothing.
type Names struct {
	Module   string
	Funcs    map[uint32]string
	Locals   map[uint32]map[uint32]string // by function
	Labels   map[uint32]map[uint32]string // by function; labels count in the order of their blocks
	Types    map[uint32]string
	Tables   map[uint32]string
	Memories map[uint32]string
	Globals  map[uint32]string
	Elems    map[uint32]string
	Datas    map[uint32]string
	Fields   map[uint32]map[uint32]string // by type
	Tags     map[uint32]string
}

// Ids of the subsections of a name section.
const (
	subModule  = 0
	subGlobals = 7
)

// Names returns the module's names, which are decoded at the first call; never nil. The result must not be written to.
func (m *Module) Names() *Names {
	m.namesOnce.Do(func() {
		m.names = new(Names)
		m.names.decode(m.nameSection())
	})
	return m.names
}

// nameSection returns the contents of the first name section.
func (m *Module) nameSection() []byte {
	for i := range m.Customs {
		if m.Customs[i].Name == "name" {
			return m.Customs[i].Data
		}
	}
	return nil
}

// subsections iterates over the subsections of a name section, up to one that is longer than the section. Each has a cursor of
// its own, so that a broken one costs nothing but itself.
func subsections(section []byte) iter.Seq2[byte, *cursor] {
	return func(yield func(byte, *cursor) bool) {
		for c := (cursor{code: section}); c.pos < len(section); {
			id, size := c.byte(), c.u32()
			if c.msg != "" || uint64(size) > uint64(len(section)-c.pos) {
				return
			}
			start := c.pos
			c.pos += int(size)
			if !yield(id, &cursor{code: section[start:c.pos]}) {
				return
			}
		}
	}
}

// decode reads the subsections; of two with the same id, the first.
func (n *Names) decode(section []byte) {
	flat := map[byte]*map[uint32]string{
		1: &n.Funcs, 4: &n.Types, 5: &n.Tables, 6: &n.Memories, subGlobals: &n.Globals, 8: &n.Elems, 9: &n.Datas, 11: &n.Tags,
	}
	indirect := map[byte]*map[uint32]map[uint32]string{2: &n.Locals, 3: &n.Labels, 10: &n.Fields}
	for id, sub := range subsections(section) {
		switch {
		case id == subModule:
			if s, ok := sub.looseName(); ok && n.Module == "" {
				n.Module = s
			}
		case flat[id] != nil && *flat[id] == nil:
			*flat[id] = sub.nameMap()
		case indirect[id] != nil && *indirect[id] == nil:
			out := map[uint32]map[uint32]string{}
			for k := sub.count(); k > 0 && sub.msg == ""; k-- {
				x := sub.u32()
				if names := sub.nameMap(); len(names) > 0 {
					out[x] = names
				}
			}
			*indirect[id] = out
		}
	}
}

// GlobalNamed returns the first global that the name section gives that name. It reads the names of globals only, each time.
func (m *Module) GlobalNamed(name string) (global uint32, ok bool) {
	for id, sub := range subsections(m.nameSection()) {
		if id != subGlobals {
			continue
		}
		for n := sub.count(); n > 0 && sub.msg == ""; n-- {
			x := sub.u32()
			if s, ok := sub.looseName(); ok && sub.msg == "" && s == name {
				return x, true
			}
		}
		break
	}
	return 0, false
}

// looseName reads a name; ok is false if it is malformed.
func (c *cursor) looseName() (s string, ok bool) {
	n := c.count()
	if c.msg != "" {
		return "", false
	}
	b := c.code[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return string(b), utf8.Valid(b)
}

func (c *cursor) nameMap() map[uint32]string {
	n := c.count()
	// An association takes two bytes at least.
	out := make(map[uint32]string, min(int(n), (len(c.code)-c.pos)/2))
	for ; n > 0 && c.msg == ""; n-- {
		x := c.u32()
		if s, ok := c.looseName(); ok && c.msg == "" {
			out[x] = s
		}
	}
	return out
}

// FuncName returns a name of a function for people: that of the name section, else the one it is exported or imported as, else
// its index in the form "func[12]". It is meant for backtraces and costs a look-up once the names are decoded.
func (m *Module) FuncName(fn uint32) string {
	if s := m.Names().Funcs[fn]; s != "" {
		return s
	}
	m.aliasOnce.Do(m.findAliases)
	if e := m.exported[fn]; e != nil {
		return e.Name
	}
	if uint64(fn) < uint64(len(m.imported)) {
		im := m.imported[fn]
		return im.Module + "." + im.Name
	}
	return fmt.Sprintf("func[%d]", fn)
}

// findAliases notes how functions are exported and imported.
func (m *Module) findAliases() {
	m.exported = map[uint32]*Export{}
	for i := range m.Exports {
		if e := &m.Exports[i]; e.Kind == ExternFunc && m.exported[e.Index] == nil {
			m.exported[e.Index] = e
		}
	}
	for i := range m.Imports {
		if im := &m.Imports[i]; im.Kind == ExternFunc {
			m.imported = append(m.imported, im)
		}
	}
}

// FuncAt returns the defined function whose body holds the module offset; ok is false if there is none.
func (m *Module) FuncAt(offset uint32) (fn uint32, ok bool) {
	i := sort.Search(len(m.Bodies), func(i int) bool { return m.Bodies[i].Start > offset }) - 1
	if i < 0 || offset >= m.Bodies[i].Offset+uint32(len(m.Bodies[i].Code)) {
		return 0, false
	}
	return uint32(m.NumImportedFuncs + i), true
}
