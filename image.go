package spindle

import (
	"errors"
	"sync"

	"github.com/spindle-wasm/spindle/internal/standby"
	"github.com/spindle-wasm/spindle/internal/vm"
)

// Image is a Process as it stood when it was frozen: memories, tables, globals, exceptions, and the stack of every thread. It does not change, and any
// number of Processes can be made of it, at any time, while the original goes on or is gone. It is safe for concurrent use.
type Image struct {
	rt       *Runtime
	cfg      Config
	vm       *vm.Image
	started  bool // by Start: the main thread's end is the Process's
	tids     []uint32
	jobs     []frozenJob
	names    map[string]int // instances by name, an index in all
	all      []frozenInstance
	stacks   []*auxStack
	lastTID  uint32
	threaded bool
	family   *family
	forks    uint64 // generation
	modules  map[string]FrozenModule
	opened   bool // of a file: every host function is to be found anew

	hostHooks []ForkHooks
	hooksOnce sync.Once
	forker    int         // index of the thread that asked for the image, otherwise the main one's; by hooksOnce
	hooks     []guestHook // HookChild; likewise
	hooksErr  error       // likewise

	passing sync.Mutex
	passed  *standby.Message // guarded by passing; for other processes, once there is one

	mu     sync.Mutex
	uses   int  // guarded by mu; the maker's, and those of forks and writes that run
	closed bool // guarded by mu
}

type frozenInstance struct {
	mod  *Module
	name string
	// started is 0 without a start function, 1 before it has ended, 2 after.
	started uint8
}

// frozenJob is what a thread of an image goes on with.
type frozenJob struct {
	job job // of no Process; nil for an idle main thread
}

var errImageClosed = errors.New("spindle: the image is closed")

func (i *Image) use() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return errImageClosed
	}
	i.uses++
	return nil
}

func (i *Image) isClosed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closed
}

func (i *Image) unuse() error {
	i.mu.Lock()
	i.uses--
	last := i.uses == 0
	i.mu.Unlock()
	if last {
		return i.release()
	}
	return nil
}

// Close gives the image up. Processes made of it go on, and keep its pages; what modules have kept for further ones is given back: the write end of a pipe, for
// example, which otherwise nobody would ever see the end of.
func (i *Image) Close() error {
	i.mu.Lock()
	closed := i.closed
	i.closed = true
	i.mu.Unlock()
	if closed {
		return nil
	}
	return i.unuse()
}

func (i *Image) release() error {
	errs := []error{i.closePassed()}
	for _, m := range i.modules {
		errs = append(errs, m.Close())
	}
	if i.vm != nil {
		i.vm.Close()
	}
	return errors.Join(errs...)
}
