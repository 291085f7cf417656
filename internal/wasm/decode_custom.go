package wasm

// decodeBranchHints reads a metadata.code.branch_hint section (specification: Appendix, Custom Sections). It is
// advice: what is malformed ends the reading, and no error comes of it.
func decodeBranchHints(b []byte) map[uint32][]BranchHint {
	c := cursor{code: b}
	hints := map[uint32][]BranchHint{}
	for n := c.count(); n > 0 && c.msg == ""; n-- {
		fn := c.u32()
		var list []BranchHint
		for k := c.count(); k > 0 && c.msg == ""; k-- {
			h := BranchHint{Offset: c.u32()}
			size, likely := c.u32(), c.byte()
			if c.msg != "" || size != 1 || likely > 1 || len(list) > 0 && h.Offset <= list[len(list)-1].Offset {
				return hints
			}
			h.Likely = likely == 1
			list = append(list, h)
		}
		if c.msg == "" && len(list) > 0 && hints[fn] == nil {
			hints[fn] = list
		}
	}
	return hints
}
