package memfs

import (
	"math"
	"math/bits"
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// chunkSize is the unit of a file's contents. A chunk that was never written is nil and reads as zeros; the first one is shorter
// while that is enough, so that a small file takes no more than it counts.
const (
	chunkSize = 64 << 10
	smallest  = 128
)

// contents are a regular file's bytes. The size counts against the file system's limit in full, holes too: the chunk table and the filled
// chunks are then both bounded by it.
type contents struct {
	mu     sync.RWMutex
	n      int64
	chunks [][]byte
	opens  int  // open files
	gone   bool // no name is left
}

func (c *contents) size() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.n
}

func (c *contents) open() {
	c.mu.Lock()
	c.opens++
	c.mu.Unlock()
}

// close reports whether this was the last use of a file without names.
func (c *contents) close() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opens--
	return c.gone && c.opens == 0
}

// orphan is told that the last name is gone, and reports whether the contents can go.
func (c *contents) orphan() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	return c.opens == 0
}

// clear drops everything and returns how many bytes that were.
func (c *contents) clear() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	c.n, c.chunks = 0, nil
	return n
}

func (c *contents) readAt(p []byte, off int64) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if off >= c.n {
		return 0
	}
	if rest := c.n - off; int64(len(p)) > rest {
		p = p[:rest]
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		i, in := int(at/chunkSize), int(at%chunkSize)
		dst := p[done:min(len(p), done+chunkSize-in)]
		n := 0
		if chunk := c.chunks[i]; in < len(chunk) {
			n = copy(dst, chunk[in:])
		}
		clear(dst[n:])
		done += len(dst)
	}
	return len(p)
}

// writeAt writes at off, or at the end if off is negative, and returns where.
func (c *contents) writeAt(f *FS, p []byte, off int64) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off < 0 {
		off = c.n
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, vfs.EFBIG
	}
	if end := off + int64(len(p)); end > c.n && len(p) > 0 {
		if err := c.resizeLocked(f, end); err != nil {
			return 0, err
		}
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		i, in := int(at/chunkSize), int(at%chunkSize)
		end := min(chunkSize, in+len(p)-done)
		done += copy(c.fillLocked(i, end)[in:end], p[done:])
	}
	return off, nil
}

// fillLocked makes a chunk hold at least n bytes.
func (c *contents) fillLocked(i, n int) []byte {
	chunk := c.chunks[i]
	if n <= len(chunk) {
		return chunk
	}
	size := chunkSize
	if i == 0 {
		size = min(chunkSize, max(smallest, 1<<bits.Len(uint(n-1))))
	}
	c.chunks[i] = make([]byte, size)
	copy(c.chunks[i], chunk)
	return c.chunks[i]
}

func (c *contents) truncate(f *FS, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resizeLocked(f, n)
}

// grow makes the file at least n bytes long.
func (c *contents) grow(f *FS, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.n {
		return nil
	}
	return c.resizeLocked(f, n)
}

func (c *contents) resizeLocked(f *FS, n int64) error {
	if n > c.n {
		if err := f.reserve(n - c.n); err != nil {
			return err
		}
	} else {
		f.used.Add(n - c.n)
	}
	chunks := int((n + chunkSize - 1) / chunkSize)
	if chunks <= len(c.chunks) {
		clear(c.chunks[chunks:]) // for the collector
		c.chunks = c.chunks[:chunks]
		if in := int(n % chunkSize); n < c.n && in > 0 && in < len(c.chunks[chunks-1]) {
			clear(c.chunks[chunks-1][in:]) // what growing again shows must be zeros
		}
	} else {
		c.chunks = append(c.chunks, make([][]byte, chunks-len(c.chunks))...)
	}
	c.n = n
	return nil
}
