package policy

import "github.com/spindle-wasm/spindle/gc/heap"

// UpdateFields makes the references in an object be what forward says.
func UpdateFields(m *heap.Memory, r heap.Ref, forward func(heap.Ref) heap.Ref) {
	typ := &m.Types.All()[m.TypeOf(r)]
	for _, off := range typ.Refs {
		update(m.Slot(r+off), forward)
	}
	if typ.ElemRef {
		s := m.Slots(r+heap.HeaderSize, int(m.Length(r)))
		for i := range s {
			update(&s[i], forward)
		}
	}
	if typ.IsWeak() {
		typ.EachWeak(r, m.Length(r), func(at uint32) { update(m.Slot(at), forward) })
		typ.EachEphemeron(r, m.Length(r), func(at uint32) {
			update(m.Slot(at), forward)
			update(m.Slot(at+4), forward)
		})
	}
}

func update(p *uint32, forward func(heap.Ref) heap.Ref) {
	if r := *p; heap.IsObject(r) {
		if to := forward(r); to != r {
			*p = to
		}
	}
}

// Updater is the pass over the roots that tells them where their objects go. It implements vm.Slots.
type Updater struct{ Forward func(heap.Ref) heap.Ref }

// Slot implements vm.Slots.
func (u Updater) Slot(p *uint32) { update(p, u.Forward) }

// Pinned implements vm.Slots.
func (u Updater) Pinned(uint32) {}
