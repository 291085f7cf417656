package cells

import "slices"

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of.
func (s *Space) Inherit(from *Space) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.blocks = slices.Clone(from.blocks)
	for c := range from.avail {
		s.avail[c] = slices.Clone(from.avail[c])
	}
}

// Surrender forgets all blocks: they belong to another space now. The world stands.
func (s *Space) Surrender() {
	s.blocks = nil
	clear(s.avail[:])
}
