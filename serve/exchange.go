package serve

import (
	"io"
	"sync"
)

// exchange is the standard streams of a child for one request: it reads an input, and what it prints is the handler's to read. As through a pipe, a Write returns when
// everything has been read, so that what comes after it in the guest comes after it here. Up to the end of the answer's head it returns when the handler has dealt with it,
// too: whether the guest had asked for the body by then decides what becomes of that.
type exchange struct {
	in *input

	mu    sync.Mutex
	moved sync.Cond // of mu: something below has changed
	out   []byte    // guarded by mu: what is left of a Write
	busy  bool      // guarded by mu: there is a Write
	begun bool      // guarded by mu: the handler has dealt with the answer's head
	idle  bool      // guarded by mu: a Read waits
	ended bool      // guarded by mu: there is no more output; err tells why
	err   error     // guarded by mu
	cut   error     // guarded by mu: nobody reads any more
	whole bool      // guarded by mu: the answer says by itself that it is over, and it is

	// back is closed when a guest that is to be frozen where it waits for its standard input is there again: it has read the whole request, has given the whole
	// answer, and reads on. Nil for others: what they find behind the request is the end.
	back  chan struct{}
	there bool // guarded by mu: back is closed
}

func newExchange(in *input, comesBack bool) *exchange {
	x := &exchange{in: in}
	x.moved.L = &x.mu
	if comesBack {
		x.back = make(chan struct{})
	}
	return x
}

// stdin is the guest's side of an exchange that it reads.
type stdin struct{ x *exchange }

func (s stdin) Read(p []byte) (int, error) {
	n, err := s.x.in.Read(p)
	switch {
	case err != io.EOF || s.x.back == nil: //nolint:errorlint // as package io has it
	case n > 0:
		err = nil // where the end is, the guest asks
	default:
		s.x.beyond()
	}
	return n, err
}

// beyond is where a guest asks for more than there is. It returns for the guest to see the end: at once if the guest still owes an answer, and the handler waits for
// it, as nothing else would have it go on; otherwise when the exchange is over.
func (x *exchange) beyond() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.ended {
		switch {
		case x.whole && x.in.all():
			if !x.there {
				x.there = true
				close(x.back)
			}
		case !x.whole && x.idle && !x.busy:
			return
		}
		x.moved.Wait()
	}
}

// Write is the guest's: it prints.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.busy {
		x.moved.Wait()
	}
	x.out, x.busy = p, true
	x.moved.Broadcast()
	for (len(x.out) > 0 || !x.begun && !x.idle) && x.cut == nil && !x.ended {
		x.moved.Wait()
	}
	n := len(p) - len(x.out)
	x.out, x.busy = nil, false
	x.moved.Broadcast()
	switch {
	case n == len(p):
		return n, nil
	case x.cut != nil:
		return n, x.cut
	}
	return n, io.ErrClosedPipe
}

// Read is the handler's.
func (x *exchange) Read(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.out) == 0 {
		if x.cut != nil {
			return 0, x.cut
		}
		if x.ended {
			return 0, x.err
		}
		x.idle = true
		x.moved.Broadcast()
		x.moved.Wait()
	}
	x.idle = false
	n := copy(p, x.out)
	x.out = x.out[n:]
	x.moved.Broadcast()
	return n, nil
}

// waiting reports whether the handler waits for the guest.
func (x *exchange) waiting() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.idle
}

// end ends the output. The first one tells why; nil is the end of a file.
func (x *exchange) end(err error) {
	if err == nil {
		err = io.EOF
	}
	x.set(func() {
		if !x.ended {
			x.ended, x.err = true, err
		}
	})
}

// begin says that the handler has dealt with the answer's head.
func (x *exchange) begin() { x.set(func() { x.begun = true }) }

// complete says that the handler has the whole answer.
func (x *exchange) complete() { x.set(func() { x.whole = true }) }

// close says that nobody reads any more.
func (x *exchange) close() { x.set(func() { x.cut = errDone }) }

func (x *exchange) set(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
	x.moved.Broadcast()
}
