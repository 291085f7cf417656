package wat

import (
	"sort"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Subsections of the name section: those of the specification (Appendix, Name Section), and those of the extended name
// section proposal for the other index spaces.
const (
	nameModule = iota
	nameFuncs
	nameLocals
	nameLabels
	nameTypes
	nameTables
	nameMemories
	nameGlobals
	nameElems
	nameDatas
	nameFields
	nameTags
)

func appendNameMap(b []byte, names []entryName) []byte {
	b = appendU(b, uint64(len(names)))
	for _, n := range names {
		b = wasm.AppendName(appendU(b, uint64(n.index)), n.name)
	}
	return b
}

func appendSub(b []byte, id byte, content []byte) []byte {
	if content == nil {
		return b
	}
	return wasm.AppendName(append(b, id), content)
}

func nestedMap(list []nestedNames) []byte {
	if len(list) == 0 {
		return nil
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].index < list[j].index })
	b := appendU(nil, uint64(len(list)))
	for _, n := range list {
		b = appendNameMap(appendU(b, uint64(n.index)), n.names)
	}
	return b
}

// appendNameSection writes the name section, if there is a name.
func (a *assembler) appendNameSection(b []byte) []byte {
	var body []byte
	if a.moduleName != "" {
		body = appendSub(body, nameModule, wasm.AppendName(nil, a.moduleName))
	}
	simple := func(id byte, s *space) {
		if len(s.names) > 0 {
			body = appendSub(body, id, appendNameMap(nil, s.names))
		}
	}
	simple(nameFuncs, &a.funcs)
	body = appendSub(body, nameLocals, nestedMap(a.code.localNames))
	body = appendSub(body, nameLabels, nestedMap(a.code.labelNames))
	simple(nameTypes, &a.types)
	simple(nameTables, &a.tables)
	simple(nameMemories, &a.memories)
	simple(nameGlobals, &a.globals)
	simple(nameElems, &a.elems)
	simple(nameDatas, &a.datas)
	body = appendSub(body, nameFields, nestedMap(a.fieldNames))
	simple(nameTags, &a.tags)
	if body == nil {
		return b
	}
	return wasm.AppendName(append(b, byte(wasm.SectionCustom)), append(wasm.AppendName(nil, "name"), body...))
}

// appendHintSection writes the branch hints (branch hinting, "metadata.code.branch_hint"): per function offsets from the start
// of its body, each with one byte of content.
func (a *assembler) appendHintSection(b []byte) []byte {
	if len(a.out.hints) == 0 {
		return b
	}
	return wasm.AppendName(append(b, byte(wasm.SectionCustom)), append(wasm.AppendName(nil, branchHintSection), a.hintSection()...))
}

// hintSection encodes the branch hints.
func (a *assembler) hintSection() []byte {
	body := appendU(nil, uint64(len(a.out.hints)))
	for _, f := range a.out.hints {
		body = appendU(appendU(body, uint64(f.fn)), uint64(len(f.hints)))
		for _, h := range f.hints {
			likely := byte(0)
			if h.Likely {
				likely = 1
			}
			body = append(appendU(body, uint64(h.Offset)), 1, likely)
		}
	}
	return body
}
