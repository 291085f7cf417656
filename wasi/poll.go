package wasi

import (
	"time"

	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// maxSubscriptions bounds what one poll_oneoff waits for; a guest has no more descriptors than that by default.
const maxSubscriptions = 1 << 16

// subscription is one thing to wait for, copied out of the guest.
type subscription struct {
	userdata uint64
	tag      uint8
	err      errno // found when it was read: it is an event at once
	deadline time.Time
	h        handle
	ev       vfs.Events
}

// event is what a subscription found.
type event struct {
	err    errno
	bytes  uint64
	hangup bool
}

// pollOneoff waits until at least one subscription has an event, and reports all that have.
func pollOneoff(e env, a []uint64) errno {
	count := uint64(arg32(a[2]))
	switch {
	case count == 0:
		return vfs.EINVAL
	case count > maxSubscriptions:
		return vfs.EINVAL
	}
	in, en := e.view(a[0], count*sizeSubscription)
	if en != success {
		return en
	}
	if en := e.writable(a[1], count*sizeEvent); en != success {
		return en
	}
	if en := e.writable(a[3], 4); en != success {
		return en
	}
	if count == 1 && in[8] == eventClock { // a sleep: most of all polls
		var one [1]subscription
		return e.poll(one[:], in, a)
	}
	return e.poll(make([]subscription, count), in, a)
}

func (e env) poll(subs []subscription, in []byte, a []uint64) errno {
	now := time.Now().Add(-e.c.Elapsed())
	for i := range subs {
		subs[i] = e.subscription(in[i*sizeSubscription:][:sizeSubscription], now)
	}
	defer func() {
		for i := range subs {
			if subs[i].h.desc != nil {
				subs[i].h.put()
			}
		}
	}()
	for {
		n, en := e.events(subs, a[1])
		if en != success {
			return en
		}
		if n > 0 {
			return e.put32(a[3], n)
		}
		if en := e.pollWait(now, subs); en != success {
			return en
		}
	}
}

func (e env) subscription(b []byte, now time.Time) subscription {
	s := subscription{userdata: le.Uint64(b[0:]), tag: b[8]}
	switch s.tag {
	case eventClock:
		id, timeout, flags := le.Uint32(b[16:]), le.Uint64(b[24:]), le.Uint16(b[40:])
		if id > clockMonotonic || flags > subClockAbstime {
			s.err = vfs.EINVAL
			break
		}
		if flags&subClockAbstime != 0 {
			at, _ := e.s.clock(id)
			timeout -= min(timeout, at)
			now = time.Now() // what has passed since the call was made, perhaps in a parent, is on the clock
		}
		s.deadline = now.Add(duration(timeout))
		if s.deadline.Before(now) { // centuries overflow
			s.deadline = now.Add(1 << 62)
		}
	case eventFdRead, eventFdWrite:
		s.ev = vfs.Readable
		if s.tag == eventFdWrite {
			s.ev = vfs.Writable
		}
		s.h, s.err = e.s.fds.get(uint64(le.Uint32(b[16:])), rightPollFdReadwrite)
	default:
		s.err = vfs.EINVAL
	}
	return s
}

// ready looks whether a subscription has an event.
func (s *subscription) ready(now time.Time) (x event, ok bool) {
	switch {
	case s.err != success:
		return event{err: s.err}, true
	case s.tag == eventClock:
		return x, !now.Before(s.deadline)
	case s.h.isClosed():
		return event{err: vfs.EBADF}, true
	case s.h.stream != nil:
		r := s.h.stream.Ready(s.ev)
		return event{bytes: r.Bytes, hangup: r.Hangup}, r.Events != 0
	case s.ev == vfs.Readable: // files are always ready
		if st, err := s.h.file.Stat(); err == nil {
			if at, err := s.h.file.Seek(0, 1); err == nil && st.Size > uint64(at) {
				x.bytes = st.Size - uint64(at)
			}
		}
	}
	return x, true
}

// events writes the events that there are, and returns how many.
func (e env) events(subs []subscription, out uint64) (n uint32, en errno) {
	now := time.Now()
	for i := range subs {
		s := &subs[i]
		x, ok := s.ready(now)
		if !ok {
			continue
		}
		b, en := e.view(uint64(arg32(out))+uint64(n)*sizeEvent, sizeEvent)
		if en != success {
			return 0, en
		}
		clear(b)
		le.PutUint64(b[0:], s.userdata)
		le.PutUint16(b[8:], uint16(x.err))
		b[10] = s.tag
		le.PutUint64(b[16:], x.bytes)
		if x.hangup {
			le.PutUint16(b[24:], eventHangup)
		}
		n++
	}
	return n, success
}

// pollWait waits for the first sign of an event.
func (e env) pollWait(begin time.Time, subs []subscription) errno {
	ch := make(chan struct{}, 1)
	var first time.Time
	var undo []func()
	defer func() {
		for _, f := range undo {
			f()
		}
	}()
	for i := range subs {
		s := &subs[i]
		if s.tag == eventClock {
			if first.IsZero() || s.deadline.Before(first) {
				first = s.deadline
			}
			continue
		}
		if !s.h.watch(ch) {
			return success // closed: an event
		}
		undo = append(undo, func() { s.h.unwatch(ch) }, s.h.stream.Notify(s.ev, ch))
	}
	var timer <-chan time.Time
	if !first.IsZero() {
		t := time.NewTimer(time.Until(first))
		defer t.Stop()
		timer = t.C
	}
	return e.block(begin, ch, nil, timer)
}
