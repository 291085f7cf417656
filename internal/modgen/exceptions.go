package modgen

import (
	"slices"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// throw writes throw or throw_ref.
func (b *body) throw() {
	if b.c.oneIn(3) {
		b.need(wasm.RefTo(wasm.HeapExn, b.risk > 0 || len(b.tags) == 0 || !b.has(wasm.FeatureFunctionReferences)))
		b.terminal(wasm.OpThrowRef)
		return
	}
	if len(b.tags) == 0 {
		return
	}
	tag := b.c.n(len(b.tags))
	b.need(b.tagType(tag).Params...)
	b.terminal(wasm.OpThrow, uint64(tag))
}

// tryTable writes a try_table within blocks that its clauses branch to.
func (b *body) tryTable() {
	exn := wasm.RefTo(wasm.HeapExn, !b.has(wasm.FeatureFunctionReferences) || b.c.oneIn(2))
	var catches []wasm.Catch
	opened := 0
	for range b.c.n(3) + 1 {
		c := wasm.Catch{Kind: wasm.CatchKind(b.c.n(4))}
		var payload []wasm.ValType
		if c.Kind == wasm.CatchTag || c.Kind == wasm.CatchTagRef {
			if len(b.tags) == 0 {
				continue
			}
			c.Tag = uint32(b.c.n(len(b.tags)))
			payload = slices.Clone(b.tagType(int(c.Tag)).Params)
			if b.cfg.Peers && slices.Contains(payload, wasm.V128) {
				continue
			}
		}
		if c.Kind == wasm.CatchTagRef || c.Kind == wasm.CatchAllRef {
			payload = append(payload, exn)
		}
		// An open label that takes the payload will do.
		if d, ok := b.pickIndex(len(b.labels), func(d int) bool { return b.types.matchAll(payload, b.label(d).targets()) }); ok && b.c.oneIn(2) {
			c.Label = uint32(len(b.labels) - 1 - d) // absolute for now
		} else {
			b.emit(wasm.OpBlock)
			b.code = append(b.code, b.blockType(nil, payload)...)
			c.Label = uint32(len(b.labels))
			b.open(wasm.OpBlock, nil, payload)
			opened++
		}
		catches = append(catches, c)
	}
	params, results := b.pickBlock()
	b.need(params...)
	b.emit(wasm.OpTryTable)
	b.code = append(b.code, b.blockType(params, results)...)
	b.code = appendU(b.code, uint64(len(catches)))
	for _, c := range catches {
		b.code = append(b.code, byte(c.Kind))
		if c.Kind == wasm.CatchTag || c.Kind == wasm.CatchTagRef {
			b.code = appendU(b.code, uint64(c.Tag))
		}
		b.code = appendU(b.code, uint64(len(b.labels)-1-int(c.Label)))
	}
	b.open(wasm.OpTryTable, params, results)
	b.instrs(b.c.n(6))
	if len(b.tags) > 0 && !b.top().dead && b.c.oneIn(2) {
		b.throw()
	}
	b.close()
	for range opened {
		b.instrs(b.c.n(2))
		b.close()
	}
}
