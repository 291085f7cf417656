package spindle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/spindle-wasm/spindle/internal/mem"
	"github.com/spindle-wasm/spindle/internal/standby"
)

// family hands out the identifiers of all Processes that descend from one, however they were forked: no two have the same.
type family struct {
	mu      sync.Mutex
	last    uint32           // guarded by mu; the last one, while there is no counter
	counter *standby.Counter // guarded by mu; once some of them are in another OS process
}

// depart goes on from somewhere else: a snapshot may be opened any number of times, and Processes of one opening most likely have other identifiers than those of another one. They
// are positive as an int32.
func (f *family) depart() {
	const most = 1 << 30
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = uint32((uint64(f.last) + 1 + rand.Uint64N(most-1)) % most)
}

func (f *family) next() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counter == nil {
		f.last++
		return f.last
	}
	return f.counter.Next()
}

// current returns the identifier that was handed out last.
func (f *family) current() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counter == nil {
		return f.last
	}
	return f.counter.Last()
}

// share returns the file of the counter, with which other processes are to count, too, from now on. It goes with the family.
func (f *family) share() (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counter == nil {
		c, err := standby.NewCounter(f.last)
		if err != nil {
			return nil, err
		}
		f.counter = c
	}
	return f.counter.File(), nil
}

// tree is a Process, made by the embedder, with all that descend from it by forks of guests: what Linux calls a PID namespace (pid_namespaces(7)). Its root
// is the parent of orphans; when it is closed, all others are.
type tree struct {
	family *family
	root   uint32

	mu      sync.Mutex
	nodes   map[uint32]*node // guarded by mu; by pid
	limits  TreeLimits
	closing bool          // guarded by mu
	changed chan struct{} // guarded by mu; closed, and made anew, when a node ends
	running sync.WaitGroup
	first   *Process // the root
	memory  treeMemory
}

// node is a Process of a tree, or what is left of it until its parent has waited for it.
type node struct {
	pid, parent uint32
	depth       int
	p           *Process // nil while it is being made, and once it has ended
	ended       bool
	err         error // how
}

// TreeLimits bound what guests can do with forks. Zeros mean the defaults.
type TreeLimits struct {
	// Processes bounds those that exist at the same time, zombies included, beside the first; the default is 1,024. Less than 0 allows none.
	Processes int
	// Depth bounds generations; the default is 64.
	Depth int
	// PrivateBytes bounds the memory that the Processes of the tree take together, linear memories and garbage-collected heaps: pages that one has written or grown, and pages that
	// they share among them, each once. Pages of an Image that the first one was made of are its original's and do not count. A fork beyond it fails with a *TreeLimitError, and so
	// does memory.grow; a write to a page that is shared, or an allocation in a heap, does not: it shows at the next fork or growth. What grows counts as written until the next count. It is counted when it may matter (the
	// memories are large enough), at most every 10 ms, which takes microseconds to a millisecond for each Process; where the system does not tell what was written, all that is
	// accessible counts. 0 means no limit.
	PrivateBytes uint64
}

// TreeLimitPrivate is the Limit of a TreeLimitError about TreeLimits.PrivateBytes.
const TreeLimitPrivate = "private bytes of a tree of processes"

const (
	defaultTreeProcesses = 1024
	defaultTreeDepth     = 64
)

// TreeLimitError says which of TreeLimits a fork has met.
type TreeLimitError struct {
	Limit string
	Max   int
}

func (e *TreeLimitError) Error() string {
	return fmt.Sprintf("limit reached: %s: at most %d allowed", e.Limit, e.Max)
}

// ErrNoChild is returned by Caller.WaitChild if the Process has no such child.
var ErrNoChild = errors.New("spindle: no such child")

// ChildStatus is how a child of a guest's fork ended.
type ChildStatus struct {
	PID uint32
	Err error // as Process.Wait tells it
}

// treeOf returns the Process's tree, which is made when it is first needed.
func (p *Process) treeOf() *tree {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tree == nil {
		l := p.cfg.Tree
		if l.Processes == 0 {
			l.Processes = defaultTreeProcesses
		}
		if l.Depth == 0 {
			l.Depth = defaultTreeDepth
		}
		if p.pid == 0 {
			p.family = &family{}
			p.pid = p.family.next()
		}
		p.tree = &tree{family: p.family, root: p.pid, nodes: map[uint32]*node{p.pid: {pid: p.pid, p: p}}, limits: l, changed: make(chan struct{}), first: p}
		if l.PrivateBytes != 0 && p.image != nil {
			p.tree.memory.others = mem.Files{}
			p.usage(p.tree.memory.others)
		}
	}
	return p.tree
}

// PID returns the Process's identifier, which no other Process has that descends from the same one; that one has 1.
func (p *Process) PID() uint32 {
	p.treeOf()
	return p.pid
}

// ParentPID returns the identifier of the Process's parent if a guest's fork made it, otherwise 0. That of an orphan is the nearest ancestor that no guest has
// forked.
func (p *Process) ParentPID() uint32 {
	t := p.treeOf()
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[p.pid]; n != nil {
		return n.parent
	}
	return 0
}

// Generation counts the forks between the first Process and this one, of guests and by Image.Fork. A guest that keeps secrets, seeds or identities compares
// it with the value that they were made under.
func (p *Process) Generation() uint64 { return p.generation }

// Fork forks the calling guest from within a host function, as POSIX's fork does: the child is a child of the Process in its tree, has the calling thread only unless all
// is set, and its call of the host function gives answer. It returns the child's identifier. Errors: *TreeLimitError, *ForkError, and those of the memory
// that it takes.
func (c *Caller) Fork(all bool, answer Answer) (pid uint32, err error) {
	t := c.p.treeOf()
	n, err := t.reserve(c.p.pid)
	if err != nil {
		return 0, err
	}
	if err := t.takeMemory(0); err != nil {
		t.forget(n)
		return 0, err
	}
	img, _, err := c.Freeze(c.Context(), FreezeOptions{CallerOnly: !all}, answer)
	if err == nil {
		err = t.run(n, img)
		err = errors.Join(err, img.Close())
	}
	if err != nil {
		t.forget(n)
		return 0, err
	}
	return n.pid, nil
}

// startedWith returns the context that the Process was started with: when it is done, so is all that the guest has forked.
func (p *Process) startedWith() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.startCtx == nil {
		return context.Background()
	}
	return p.startCtx
}

// reserve makes a place for a child.
func (t *tree) reserve(parent uint32) (*node, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.nodes[parent]
	switch {
	case t.closing || of == nil:
		return nil, ErrEnding
	case len(t.nodes) > t.limits.Processes:
		return nil, &TreeLimitError{"processes of a tree", max(0, t.limits.Processes)}
	case of.depth >= t.limits.Depth:
		return nil, &TreeLimitError{"depth of a tree of processes", t.limits.Depth}
	}
	n := &node{pid: t.family.next(), parent: parent, depth: of.depth + 1}
	t.nodes[n.pid] = n
	t.running.Add(1)
	return n, nil
}

// run makes the child and has it watched.
func (t *tree) run(n *node, img *Image) error {
	p, err := img.Fork(t.first.startedWith(), ForkConfig{tree: t, node: n})
	if err != nil {
		return err
	}
	t.mu.Lock()
	n.p = p
	closing := t.closing
	t.mu.Unlock()
	if closing {
		p.stop(ErrClosed)
	}
	go func() {
		defer t.running.Done()
		err := p.Wait(context.Background())
		if e := p.Close(); err == nil {
			err = e
		}
		t.end(n, err)
	}()
	return nil
}

func (t *tree) forget(n *node) {
	t.mu.Lock()
	delete(t.nodes, n.pid)
	t.mu.Unlock()
	t.running.Done()
}

// ended makes a zombie of a node, and orphans of its children.
func (t *tree) end(n *node, err error) {
	t.forgetCount() // what it had is free
	t.mu.Lock()
	defer t.mu.Unlock()
	n.p, n.ended, n.err = nil, true, err
	for _, c := range t.nodes {
		if c.parent == n.pid {
			c.parent = t.root
		}
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// WaitChild waits for the end of a child of the calling guest, 0 for any of them, and takes it out of the tree. Unless block is set it returns at once, with ok
// false if none has ended. The error is ErrNoChild, or set if the guest is to stop.
func (c *Caller) WaitChild(pid uint32, block bool) (s ChildStatus, ok bool, err error) {
	t := c.p.treeOf()
	for {
		t.mu.Lock()
		any := false
		for id, n := range t.nodes {
			if n.parent != c.p.pid || pid != 0 && id != pid {
				continue
			}
			any = true
			if n.ended {
				delete(t.nodes, id)
				t.mu.Unlock()
				return ChildStatus{id, n.err}, true, nil
			}
		}
		changed := t.changed
		t.mu.Unlock()
		if !any {
			return s, false, ErrNoChild
		}
		if !block {
			return s, false, nil
		}
		stopped := c.Stopped()
		if err := c.t.BlockSince(time.Now(), func() {
			select {
			case <-changed:
			case <-stopped:
			}
		}); err != nil {
			return s, false, err
		}
	}
}

// close ends all Processes but the root, and waits until they are closed.
func (t *tree) close() {
	t.mu.Lock()
	t.closing = true
	for _, n := range t.nodes {
		if n.pid != t.root && n.p != nil {
			n.p.stop(ErrClosed)
		}
	}
	t.mu.Unlock()
	t.running.Wait()
}
