package heap

import (
	"bytes"
	"fmt"
)

// Poison is what free memory is filled with for debugging: read as a reference it refers to nothing, read as a header it has a type that there is not, so that a
// second look (package sanity) finds who uses it, and it is no value that programs expect.
const Poison = 0xDB

var poisonLine = bytes.Repeat([]byte{Poison}, LineSize)

// Fill fills memory with Poison. Nobody uses it.
func (m *Memory) Fill(off, n uint32) {
	for b := m.Bytes(off, int(n)); len(b) > 0; {
		b = b[copy(b, poisonLine):]
	}
}

// FillGaps fills all of a block but live objects, which are told in order.
func (m *Memory) FillGaps(block uint32, each func(f func(r Ref))) {
	at := block << LogBlock
	each(func(r Ref) {
		m.Fill(at, r-at)
		at = r + m.SizeOf(r)
	})
	// Without overflow, if the last block is the last of 4 GiB.
	if used := at - block<<LogBlock; used < BlockSize {
		m.Fill(at, BlockSize-used)
	}
}

// DamageError says that somebody has written into free memory.
type DamageError struct{ At uint32 }

func (e *DamageError) Error() string {
	return fmt.Sprintf("gc: somebody has written into free memory at %#x", e.At)
}

// CheckPoison looks whether free memory is as Give has left it with Poisons set, and returns a *DamageError if it is not. It is for when the world stands.
func (m *Memory) CheckPoison() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.poisoned == nil {
		return nil
	}
	for b, top := uint32(1), m.topLocked(); b < top; b++ {
		if m.poisoned[b/64]&(1<<(b%64)) == 0 {
			continue
		}
		for off := b << LogBlock; off-b<<LogBlock < BlockSize; off += LineSize {
			if line := m.Bytes(off, LineSize); !bytes.Equal(line, poisonLine) {
				for i, x := range line {
					if x != Poison {
						return &DamageError{off + uint32(i)}
					}
				}
			}
		}
	}
	return nil
}

// poisonLocked fills blocks that have become free, but for what is hidden, and notes those that are filled.
func (m *Memory) poisonLocked(b, n uint32) {
	if m.poisoned == nil {
		m.poisoned = make([]uint64, len(m.taken))
	}
	unit := HideUnit()
	for k := b; k < b+n; k++ {
		whole := true
		for p := k * (BlockSize / unit); p < (k+1)*(BlockSize/unit); p++ {
			if m.hidden.at(p) == 1 {
				whole = false
			} else {
				m.Fill(p*unit, unit)
			}
		}
		if whole {
			m.poisoned[k/64] |= 1 << (k % 64)
		}
	}
}

// unpoisonLocked notes that blocks are used again, or zero.
func (m *Memory) unpoisonLocked(b, n uint32) {
	if m.poisoned != nil {
		for k := b; k < b+n; k++ {
			m.poisoned[k/64] &^= 1 << (k % 64)
		}
	}
}
