package large

import "slices"

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of.
func (s *Space) Inherit(from *Space) { s.Runs.Inherit(&from.Runs) }

// Surrender forgets all objects: they belong to another space now. The world stands.
func (s *Space) Surrender() { s.Runs.Surrender() }

// Inherit makes runs that have just been made what others are, whose memory their own is a copy of. There is nothing hidden in the copy.
func (r *Runs) Inherit(from *Runs) {
	from.mu.Lock()
	defer from.mu.Unlock()
	r.objects = slices.Clone(from.objects)
	r.free.inherit(&from.free)
	r.fresh.inherit(&from.fresh)
}

// Surrender forgets all blocks: they belong to another space now. The world stands.
func (r *Runs) Surrender() { r.objects, r.free, r.fresh = nil, bins{}, bins{} }

func (b *bins) inherit(from *bins) {
	for i := range from.bin {
		b.bin[i] = slices.Clone(from.bin[i])
	}
	b.set = from.set
}
