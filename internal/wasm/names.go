package wasm

// Names are the contents of the name section (specification, appendix A.4.1), as far as they are well-formed.
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
