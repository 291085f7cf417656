package plan

import "github.com/spindle-wasm/spindle/gc/heap"

// Pin keeps an object where it is, until Unpin has been called as often as Pin; it does not keep it alive. Pins of an object that has died are forgotten. Only the
// VM's running threads call it, as Unpin and Pins: no collection runs.
//
// What it costs: SemiSpace and MarkCompact leave the object's block where it is, and nothing else is put there until a collection after the object is gone; a nursery's block becomes one of the old. Immix
// spaces fill the lines around it. The other plans move nothing.
func (b *Base) Pin(r heap.Ref) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pins == nil {
		b.pins = map[heap.Ref]int{}
	}
	if b.pins[r]++; b.pins[r] == 1 {
		b.Mem.Pin.Set(r)
	}
}

// Unpin takes a Pin back. It reports false, and does nothing, if there is none.
func (b *Base) Unpin(r heap.Ref) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.pins[r]
	switch n {
	case 0:
		return false
	case 1:
		delete(b.pins, r)
		b.Mem.Pin.Unset(r)
	default:
		b.pins[r] = n - 1
	}
	return true
}

// Pins returns how many times an object is pinned.
func (b *Base) Pins(r heap.Ref) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pins[r]
}

// forgetPins forgets the pins of dead objects, when all live ones have been found and before anything of the others is given back.
func (b *Base) forgetPins() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.pins {
		if !b.live(r) {
			delete(b.pins, r)
			b.Mem.Pin.Unset(r)
		}
	}
}
