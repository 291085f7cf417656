package vm

import (
	"slices"
	"sync/atomic"

	"github.com/spindle-wasm/spindle/gc"
)

// Image is threads as they stood when they were frozen, with all that their code can see. It does not change; any number of goroutines may make
// threads of it. It is counted: Close takes back the maker's use, and what was made of it has one each.
type Image struct {
	pools   *Pools
	threads []*Thread  // which never run
	heap    *heapImage // nil without a GC heap
	refs    atomic.Int32
}

// Freeze makes an Image of threads that stand at safepoints, the one that asks among them perhaps: it is in a host function. main is the store of their
// Process's main thread. With warm set, what lives in its GC heap is made an image that children's collections do not write to, and memory that was
// cleared is given back.
func Freeze(pools *Pools, threads []*Thread, main *Store, warm bool) (*Image, error) {
	img := &Image{pools: pools}
	img.refs.Store(1)
	freeze := (*Memory).freeze
	if warm {
		freeze = (*Memory).freezeTrimmed
	}
	c := cloner{
		pools: pools, host: func(f *HostFunc) *HostFunc { return f }, memory: freeze,
		memories: map[*Memory]*Memory{}, threads: map[*waiter]*Thread{}, main: main,
	}
	var err error
	if h := main.thread.heap; h != nil {
		if warm {
			if err := h.gc.Warmup(); err != nil {
				return nil, err
			}
		}
		var thaw func() error
		if img.heap, thaw, err = h.freezeHeap(threads); err != nil {
			return nil, err
		}
		c.refs = img.heap.refs
		defer thaw() //nolint:errcheck // it is called once
	}
	if img.threads, err = c.all(threads); err != nil {
		if img.heap != nil {
			img.heap.close()
		}
		return nil, err
	}
	return img, nil
}

// Copied is how many bytes lie on top of the image's files: each Fork copies them.
func (img *Image) Copied() (bytes int) {
	seen := map[*Memory]bool{}
	for _, t := range img.threads {
		for _, m := range t.Store.memories {
			if !seen[m] {
				seen[m] = true
				bytes += m.image.Copied()
			}
		}
	}
	if img.heap != nil {
		bytes += img.heap.ticket.Image().Copied()
	}
	return bytes
}

// Threads returns the image's threads, which never run, in the order of Freeze.
func (img *Image) Threads() []*Thread { return img.threads }

// ForkConfig is what the threads of an Image get that is not in it.
type ForkConfig struct {
	Budget *Budget
	// Host replaces host functions; nil keeps them.
	Host func(*HostFunc) *HostFunc
	// Collected, if set, is told of each collection of the child's GC heap.
	Collected func(gc.Collection)
}

// Fork makes threads as those of the image are, in the same order. They are idle; Engine.Resume goes on with those that have an activation.
// Done must be called when all of them are closed.
func (img *Image) Fork(cfg ForkConfig) (threads []*Thread, err error) {
	c := cloner{
		pools: img.pools, budget: cfg.Budget, host: cfg.Host, memory: (*Memory).fork, share: true,
		memories: map[*Memory]*Memory{}, threads: map[*waiter]*Thread{}, main: img.threads[0].Store,
	}
	if cfg.Budget != nil && cfg.Budget.Grow != nil {
		c.memory = (*Memory).forkFresh
	}
	if c.host == nil {
		c.host = func(f *HostFunc) *HostFunc { return f }
	}
	if img.heap != nil {
		c.refs = newRefTables(img.pools)
		if err := c.refs.clone(img.heap.refs); err != nil {
			return nil, err
		}
	}
	if threads, err = c.all(img.threads); err != nil {
		if c.refs != nil {
			c.refs.drop()
		}
		return nil, err
	}
	for _, t := range threads {
		t.Engine.Rewind(t)
	}
	if img.heap != nil {
		if err := img.heap.fork(threads, c.refs, cfg.Collected); err != nil {
			for _, t := range threads {
				t.Close()
			}
			c.refs.drop()
			return nil, err
		}
	}
	img.refs.Add(1)
	return threads, nil
}

// Rehearse makes threads of the image, and gives them back: the next Fork finds what it needs in pools, and its code in memory.
func (img *Image) Rehearse() error {
	threads, err := img.Fork(ForkConfig{})
	if err != nil {
		return err
	}
	for _, t := range slices.Backward(threads) { // the main thread's heap goes last
		t.Close()
	}
	img.Done()
	return nil
}

// Close takes back the use of whoever made the image. Done takes back that of one Fork.
func (img *Image) Close() { img.Done() }

// Done takes back the use of the threads of one Fork, which are closed.
func (img *Image) Done() {
	if img.refs.Add(-1) == 0 {
		for _, t := range img.threads {
			t.Close()
		}
		if img.heap != nil {
			img.heap.close()
		}
	}
}

func (c *cloner) all(threads []*Thread) ([]*Thread, error) {
	clones := make([]*Thread, 0, len(threads))
	for _, t := range threads {
		n, err := c.thread(t)
		if err != nil {
			for _, n := range clones {
				n.Close()
			}
			for _, m := range c.memories {
				m.unused()
			}
			return nil, err
		}
		clones = append(clones, n)
	}
	c.queues()
	return clones, nil
}
