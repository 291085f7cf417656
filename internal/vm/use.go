package vm

import (
	"errors"

	"github.com/spindle-wasm/spindle/internal/mem"
)

// Use tells what a main thread and its Process's memories take: linear memories, the garbage-collected heap, the guest stack. Guest threads
// may run meanwhile. Preconditions: nobody adds instances to the thread's store, and nobody closes the thread.
func (t *Thread) Use() (u mem.Use, err error) {
	add := func(o mem.Use, e error) {
		u.Add(o)
		err = errors.Join(err, e)
	}
	for _, m := range t.Store.memories {
		add(m.use())
	}
	if h := t.published.Load(); h != nil {
		add(h.mem.Use())
	}
	add(t.stack.Use())
	return u, err
}

func (m *Memory) use() (mem.Use, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.region == nil {
		return mem.Use{}, nil
	}
	return m.region.Use()
}
