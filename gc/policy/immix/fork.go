package immix

import "slices"

// Inherit makes a space that has just been made what another one is, whose memory its own is a copy of.
func (s *Space) Inherit(from *Space) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.blocks, s.reusable = slices.Clone(from.blocks), slices.Clone(from.reusable)
}

// Surrender forgets all blocks: they belong to another space now. The world stands.
func (s *Space) Surrender() { s.blocks, s.reusable = nil, nil }
