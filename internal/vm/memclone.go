package vm

import "fmt"

// freeze makes the memory of an image out of one whose threads stand.
func (m *Memory) freeze() (*Memory, error) { return m.duplicate() }

// fork makes a memory out of one of an image.
func (m *Memory) fork() (*Memory, error) { return m.duplicate() }

// duplicate copies a memory. Nobody holds the copy yet.
func (m *Memory) duplicate() (*Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int(m.Len())
	r, err := m.pools.get(m.region.Size(), n)
	if err != nil {
		return nil, fmt.Errorf("linear memory: %w", err)
	}
	copy(r.Bytes(n), m.region.Bytes(n))
	return &Memory{Type: m.Type, Desc: &MemDesc{Base: r.Base(), Len: uint64(n)}, pools: m.pools, maxPages: m.maxPages, region: r}, nil
}

// adopt makes a memory that duplicate made one of the store's; owned tells that it is no shared one.
func (s *Store) adopt(m *Memory, owned bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.payLocked(s.budget); err != nil {
		return err
	}
	m.refs++
	if owned {
		m.owner = s
	}
	s.memories = append(s.memories, m)
	return nil
}

// unused gives a memory back that no store came to hold.
func (m *Memory) unused() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refs == 0 && m.region != nil {
		m.pools.put(m.region, int(m.Len()))
		m.region = nil
	}
}
