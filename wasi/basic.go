package wasi

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi/internal/vfs"
)

// strs is a list of strings the way guests get it: each with a zero behind it.
type strs struct {
	list  []string
	bytes uint32
}

func newStrs(list []string) (strs, error) {
	n := 0
	for _, x := range list {
		if strings.IndexByte(x, 0) >= 0 {
			return strs{}, fmt.Errorf("%q contains a zero byte", x)
		}
		n += len(x) + 1
	}
	if n > math.MaxInt32 {
		return strs{}, fmt.Errorf("%d bytes are too many", n)
	}
	return strs{append([]string(nil), list...), uint32(n)}, nil
}

func (x *strs) sizes(e env, a []uint64) errno {
	if en := e.writable(a[1], 4); en != success {
		return en
	}
	if en := e.put32(a[0], uint32(len(x.list))); en != success {
		return en
	}
	return e.put32(a[1], x.bytes)
}

func (x *strs) get(e env, a []uint64) errno {
	ptrs, en := e.view(a[0], 4*uint64(len(x.list)))
	if en != success {
		return en
	}
	buf, en := e.view(a[1], uint64(x.bytes))
	if en != success {
		return en
	}
	at := uint32(a[1])
	for i, v := range x.list {
		le.PutUint32(ptrs[4*i:], at)
		n := copy(buf, v)
		buf[n] = 0
		buf = buf[n+1:]
		at += uint32(n) + 1
	}
	return success
}

func argsGet(e env, a []uint64) errno         { return e.s.args.get(e, a) }
func argsSizesGet(e env, a []uint64) errno    { return e.s.args.sizes(e, a) }
func environGet(e env, a []uint64) errno      { return e.s.env.get(e, a) }
func environSizesGet(e env, a []uint64) errno { return e.s.env.sizes(e, a) }

// clock reads a clock in nanoseconds.
func (s *System) clock(id uint32) (uint64, errno) {
	switch id {
	case clockRealtime:
		return uint64(s.realtime().UnixNano()), success
	case clockMonotonic:
		return uint64(s.monotonic()), success
	case clockProcessCPU, clockThreadCPU:
		return s.cpu.time(s.monotonic()), success
	}
	return 0, vfs.EINVAL
}

func clockTimeGet(e env, a []uint64) errno {
	t, en := e.s.clock(arg32(a[0]))
	if en != success {
		return en
	}
	return e.put64(a[2], t)
}

func clockResGet(e env, a []uint64) errno {
	if arg32(a[0]) > clockThreadCPU {
		return vfs.EINVAL
	}
	res := uint64(1)
	if runtime.GOOS == "windows" {
		res = 100 // its file times'; timers are coarser
	}
	return e.put64(a[1], res)
}

// randomChunk is how much is made between two looks at whether the guest is to stop.
const randomChunk = 1 << 20

func randomGet(e env, a []uint64) errno {
	b, en := e.view(a[0], uint64(arg32(a[1])))
	if en != success {
		return en
	}
	for len(b) > 0 {
		n := min(len(b), randomChunk)
		if err := e.s.random.fill(b[:n]); err != nil {
			return vfs.EIO
		}
		b = b[n:]
		if len(b) > 0 {
			if e.stopped() {
				return vfs.EINTR
			}
		}
	}
	return success
}

func schedYield(env, []uint64) errno {
	runtime.Gosched()
	return success
}

func procExit(e env, a []uint64) errno {
	e.c.Fail(&spindle.ExitError{Code: arg32(a[0])})
	return success
}

// What signals do that nothing handles, by WASI's numbers (witx "signal"). Exit codes are those of shells on Linux: 128 and its number.
const (
	sigNone = 0
	sigChld = 16
	sigCont = 17
	sigStop = 18
	sigTtou = 21
	sigUrg  = 22
	sigWinc = 27
	sigMax  = 30
)

var linuxSignals = map[uint32]uint32{23: 24, 24: 25, 25: 26, 26: 27, 28: 29, 29: 30, 30: 31} // xcpu and up; the others are equal

func procRaise(e env, a []uint64) errno {
	sig := arg32(a[0])
	switch {
	case sig > sigMax:
		return vfs.EINVAL
	case sig == sigNone, sig == sigChld, sig == sigCont, sig == sigUrg, sig == sigWinc:
		return success
	case sig >= sigStop && sig <= sigTtou:
		return vfs.ENOTSUP
	}
	if l, ok := linuxSignals[sig]; ok {
		sig = l
	}
	e.c.Fail(&spindle.ExitError{Code: 128 + sig})
	return success
}

// duration converts nanoseconds, which may exceed what a duration holds.
func duration(ns uint64) time.Duration {
	return time.Duration(min(ns, math.MaxInt64))
}
