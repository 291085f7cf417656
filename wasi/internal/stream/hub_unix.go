//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package stream

import (
	"sync"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
	"golang.org/x/sys/unix"
)

// Hub polls file descriptors for everybody who waits on one. Its goroutine runs while somebody does.
type Hub struct {
	mu      sync.Mutex
	waits   map[*hubWait]struct{} // guarded by mu
	exited  chan struct{}         // guarded by mu: of the running goroutine; nil if none runs
	r, w    int                   // guarded by mu: the pipe that interrupts the poll; valid if piped
	piped   bool                  // guarded by mu
	closed  bool                  // guarded by mu
	pollfds []unix.PollFd         // the goroutine's: each file once, as poll(2) takes no more than a process may have open
	place   map[int]int           // likewise: each file's place there
	polled  []*hubWait            // likewise: whose they are
}

type hubWait struct {
	fd     int
	events int16
	ch     chan<- struct{}
	place  int // in Hub.pollfds
}

// NewHub makes a Hub.
func NewHub() *Hub { return &Hub{} }

// notify has ch sent to once when fd is ready for one of the events, has failed, or the Hub is closed.
func (h *Hub) notify(fd int, e vfs.Events, ch chan<- struct{}) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.startLocked() {
		token(ch)
		return noCancel
	}
	w := &hubWait{fd: fd, events: pollEvents(e), ch: ch}
	h.waits[w] = struct{}{}
	h.wakeLocked()
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.waits[w]; ok {
			delete(h.waits, w)
			h.wakeLocked() // a file that is polled is not closed for those at its other end
		}
	}
}

// startLocked makes sure that the goroutine runs. It fails if the process has no file descriptors left: the waiter then polls itself.
func (h *Hub) startLocked() bool {
	if !h.piped {
		var p [2]int
		if err := pipe(p[:]); err != nil {
			return false
		}
		h.r, h.w, h.piped = p[0], p[1], true
		h.waits, h.place = map[*hubWait]struct{}{}, map[int]int{}
	}
	if h.exited == nil {
		h.exited = make(chan struct{})
		go h.run(h.exited)
	}
	return true
}

func (h *Hub) wakeLocked() {
	_, _ = unix.Write(h.w, []byte{0}) // a full pipe wakes as well
}

func (h *Hub) run(exited chan struct{}) {
	defer close(exited)
	for h.collect() {
		_, err := unix.Poll(h.pollfds, -1)
		for err == unix.EINTR {
			_, err = unix.Poll(h.pollfds, -1)
		}
		if h.pollfds[0].Revents != 0 {
			var drain [64]byte
			_, _ = unix.Read(h.r, drain[:])
		}
		h.mu.Lock()
		for _, w := range h.polled {
			if _, ok := h.waits[w]; ok && (h.pollfds[w.place].Revents&(w.events|pollAlways) != 0 || err != nil) { // who cannot be served looks again
				delete(h.waits, w)
				token(w.ch)
			}
		}
		h.mu.Unlock()
	}
}

// collect lists what to poll; false ends the goroutine.
func (h *Hub) collect() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waits) == 0 || h.closed {
		for w := range h.waits {
			token(w.ch)
		}
		clear(h.waits)
		h.exited = nil
		return false
	}
	h.pollfds = append(h.pollfds[:0], unix.PollFd{Fd: int32(h.r), Events: unix.POLLIN})
	h.polled = h.polled[:0]
	clear(h.place)
	for w := range h.waits {
		i, ok := h.place[w.fd]
		if !ok {
			i = len(h.pollfds)
			h.place[w.fd] = i
			h.pollfds = append(h.pollfds, unix.PollFd{Fd: int32(w.fd)})
		}
		h.pollfds[i].Events |= w.events
		w.place = i
		h.polled = append(h.polled, w)
	}
	return true
}

// Close wakes everybody and ends the goroutine.
func (h *Hub) Close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	exited := h.exited
	if h.piped {
		h.wakeLocked()
	}
	h.mu.Unlock()
	if exited != nil {
		<-exited
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.piped {
		h.piped = false
		_ = unix.Close(h.r)
		_ = unix.Close(h.w)
	}
}

// pollAlways is what poll tells without being asked.
const pollAlways = unix.POLLERR | unix.POLLHUP | unix.POLLNVAL

func pollEvents(e vfs.Events) (p int16) {
	if e&vfs.Readable != 0 {
		p |= unix.POLLIN
	}
	if e&vfs.Writable != 0 {
		p |= unix.POLLOUT
	}
	return p
}

// poll asks whether fd is ready now.
func poll(fd int, e vfs.Events) (revents int16) {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: pollEvents(e)}}
	for {
		if _, err := unix.Poll(p[:], 0); err != unix.EINTR {
			return p[0].Revents
		}
	}
}

// pipe makes a pipe that neither blocks nor is inherited.
func pipe(p []int) error {
	unlock := lockFork()
	defer unlock()
	if err := unix.Pipe(p); err != nil {
		return err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	return nil
}
