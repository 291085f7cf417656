package forktest

import (
	"bytes"
	"sync"
)

// Buffer is a writer whose content other goroutines may take at any time.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// NewBuffer makes a buffer that holds s.
func NewBuffer(s string) *Buffer {
	b := &Buffer{}
	b.b.WriteString(s)
	return b
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
