package wasm

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// chunkBytes is how much code a worker takes at a time: enough to make handing out free, little enough to balance.
const chunkBytes = 64 << 10

// validateBodies checks all function bodies, v being at hand for the calling goroutine.
func validateBodies(m *Module, ts *TypeSpace, v *FuncValidator, workers int) error {
	n := len(m.Bodies)
	if n == 0 {
		return nil
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	// Handing out code by offset: a chunk is the bodies that start in a range of bytes.
	base := m.Bodies[0].Start
	size := uint64(m.Bodies[n-1].Start-base) + uint64(len(m.Bodies[n-1].Code))
	workers = int(min(uint64(workers), size/chunkBytes+1))

	job := bodyJob{m: m, failed: int64(n)}
	if workers == 1 {
		job.run(v)
		return job.err
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(func() {
			v := ts.validators.Get().(*FuncValidator)
			v.used = 0
			job.run(v)
			job.mu.Lock()
			job.used |= v.used
			job.mu.Unlock()
			v.release()
			ts.validators.Put(v)
		})
	}
	job.run(v)
	wg.Wait()
	v.used |= job.used
	return job.err
}

// bodyJob hands out bodies in ascending order, so that the lowest one that fails has been handed out before any worker can
// stop for a higher one.
type bodyJob struct {
	m    *Module
	next atomic.Int64 // first body that nobody has taken

	mu     sync.Mutex
	failed int64 // lowest failing body, or their number
	err    error // of that
	used   Features
	over   atomic.Bool // there is an error: hand out nothing more
}

// take returns the next chunk of bodies; an empty one at the end.
func (j *bodyJob) take() (first, end int64) {
	bodies := j.m.Bodies
	for !j.over.Load() {
		first = j.next.Load()
		if first == int64(len(bodies)) {
			break
		}
		end = first + 1
		for end < int64(len(bodies)) && bodies[end].Start-bodies[first].Start < chunkBytes {
			end++
		}
		if j.next.CompareAndSwap(first, end) {
			return first, end
		}
	}
	return 0, 0
}

func (j *bodyJob) run(v *FuncValidator) {
	var r InstrReader
	var in Instr
	for {
		first, end := j.take()
		if first == end {
			return
		}
		for i := first; i < end; i++ {
			if err := v.body(j.m, uint32(i), &r, &in); err != nil {
				j.over.Store(true)
				j.mu.Lock()
				if i < j.failed {
					j.failed, j.err = i, err
				}
				j.mu.Unlock()
				break
			}
		}
	}
}

// body checks the i-th body of the module.
func (v *FuncValidator) body(m *Module, i uint32, r *InstrReader, in *Instr) error {
	if err := v.Reset(m, uint32(m.NumImportedFuncs)+i); err != nil {
		return err
	}
	b := &m.Bodies[i]
	for _, run := range b.Locals {
		if h := run.Type.Heap(); run.Type.IsRef() && h.Concrete() && uint64(h) >= uint64(len(m.Types)) {
			v.at = b.Start
			return v.errorf("unknown type %d", h)
		}
	}
	r.Reset(b.Code, b.Offset)
	for r.More() {
		if err := r.Next(in); err != nil {
			return InFunc(err, uint32(v.fn))
		}
		if err := v.Step(in); err != nil {
			return err
		}
	}
	if !v.Done() {
		return InFunc(missingEnd(m, b), uint32(v.fn))
	}
	return nil
}

// missingEnd reports a body that stops before its last end. The message is the one that a decoder gives which reads on
// without looking at the body's size.
func missingEnd(m *Module, b *Body) error {
	at := b.Offset + uint32(len(b.Code))
	msg := msgNoEnd
	switch {
	case uint64(at) >= uint64(len(m.Bytes)):
		msg = msgEnd
	case m.Bytes[at] == byte(OpEnd):
		msg = msgSize
	}
	return malformed(at, "%s", msg)
}

// scanBodies looks for malformed instructions only, for a module that is known to be invalid: being malformed comes first.
func scanBodies(m *Module) error {
	var r InstrReader
	var in Instr
	for i := range m.Bodies {
		b := &m.Bodies[i]
		r.Reset(b.Code, b.Offset)
		if err := scanBody(m, b, &r, &in); err != nil {
			return InFunc(err, uint32(m.NumImportedFuncs+i))
		}
	}
	return nil
}

func scanBody(m *Module, b *Body, r *InstrReader, in *Instr) error {
	var ifs []bool // for each open block whether it may have an else
	ifs = append(ifs, false)
	for r.More() {
		if err := r.Next(in); err != nil {
			return asMalformed(err)
		}
		if len(ifs) == 0 {
			return malformed(in.Offset, msgSize)
		}
		switch top := len(ifs) - 1; in.Op {
		case OpBlock, OpLoop, OpTryTable:
			ifs = append(ifs, false)
		case OpIf:
			ifs = append(ifs, true)
		case OpElse:
			if !ifs[top] {
				return malformed(in.Offset, msgNoEnd)
			}
			ifs[top] = false
		case OpEnd:
			ifs = ifs[:top]
		case OpMemoryInit, OpDataDrop, OpArrayNewData, OpArrayInitData:
			if m.DataCount < 0 {
				return malformed(in.Offset, msgDataCount)
			}
		}
	}
	if len(ifs) != 0 {
		return missingEnd(m, b)
	}
	return nil
}
