package spindle

// MemoryUse is what a Process takes of memory, in bytes.
type MemoryUse struct {
	// Shared is pages of the image that the Process was made of, or frozen into, that it has not written to, touched or not. All that are made of the
	// image share them.
	Shared uint64
	// Private is pages of its own: those it has written to, and memory that came after the image.
	Private uint64
}

// MemoryUse tells what the Process takes: linear memories, the garbage-collected heap, the main thread's stack. It costs a scan of the page
// table, some microseconds for each 64 MiB, and does not stop the guest. A closed Process takes nothing. The error is errors.ErrUnsupported where the
// system does not tell (other than Linux).
func (p *Process) MemoryUse() (MemoryUse, error) {
	p.linking.Lock()
	defer p.linking.Unlock()
	if p.gone {
		return MemoryUse{}, nil
	}
	u, err := p.thread.Use()
	return MemoryUse{Shared: uint64(u.Shared), Private: uint64(u.Private)}, err
}
