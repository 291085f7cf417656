package vm

import (
	"fmt"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// freezeTrimmed is freeze for an image without memory for zeros.
func (m *Memory) freezeTrimmed() (*Memory, error) {
	m.mu.Lock()
	err := m.region.Trim()
	m.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("linear memory: %w", err)
	}
	return m.freeze()
}

// freeze makes the memory of an image out of one whose threads stand.
func (m *Memory) freeze() (*Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	img, err := m.region.Freeze()
	if err != nil {
		return nil, fmt.Errorf("linear memory: %w", err)
	}
	return &Memory{Type: m.Type, Desc: &MemDesc{Len: m.Len()}, pools: m.pools, maxPages: m.maxPages, image: img}, nil
}

// fork makes a memory out of one of an image.
func (m *Memory) fork() (*Memory, error) { return m.forkBy(m.image.Map) }

// forkFresh is fork for a Process whose private pages are counted: what an earlier child has written is not to be among them.
func (m *Memory) forkFresh() (*Memory, error) { return m.forkBy(m.image.MapFresh) }

func (m *Memory) forkBy(get func() (*mem.Region, error)) (*Memory, error) {
	r, err := m.pools.count(get)
	if err != nil {
		return nil, fmt.Errorf("linear memory: %w", err)
	}
	return &Memory{Type: m.Type, Desc: &MemDesc{Base: r.Base(), Len: m.Len()}, pools: m.pools, maxPages: m.maxPages, region: r}, nil
}

// adopt makes a memory that freeze or fork made, and that nobody holds yet, one of the store's; owned tells that it is no shared one.
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
	if m.refs == 0 {
		m.releaseLocked()
	}
}

// releaseLocked gives the pages back.
func (m *Memory) releaseLocked() {
	if m.region != nil {
		m.pools.put(m.region, int(m.Len()))
		m.region = nil
	}
	if m.image != nil {
		m.image.Close() //nolint:errcheck // address space is lost, no more
		m.image = nil
	}
	*m.Desc = MemDesc{}
}
