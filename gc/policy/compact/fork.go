package compact

import "slices"

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of. No collection runs in either.
func (s *Space) Inherit(from *Space) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.blocks, s.dense = slices.Clone(from.blocks), from.dense
}

// Surrender forgets all blocks: they belong to another space now. The world stands.
func (s *Space) Surrender() { s.blocks = nil }
