package wast

import (
	"context"
	"fmt"

	"github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// thread starts a (thread …): its commands run in a Process of their own on a goroutine of their own.
func (r *runner) thread(ctx context.Context, c *wat.Command) error {
	shared := map[string]*instance{}
	for _, name := range c.Shared {
		inst, err := r.instance(name)
		if err != nil {
			return err
		}
		shared[name] = &instance{inst: inst.inst, foreign: true}
	}
	if _, ok := r.threads[c.Name]; ok && c.Name != "" {
		return fmt.Errorf("there is a thread $%s already", c.Name)
	}
	done := make(chan struct{})
	r.started = append(r.started, done)
	if c.Name != "" {
		r.threads[c.Name] = done
	}
	go func() {
		defer close(done)
		r.session.run(ctx, c.Body, shared)
	}()
	return nil
}

func (r *runner) wait(c *wat.Command) error {
	done, ok := r.threads[c.Name]
	if !ok {
		return fmt.Errorf("unknown thread $%s", c.Name)
	}
	<-done
	delete(r.threads, c.Name)
	return nil
}

// join waits for all threads: they use memories that go with this runner's Process.
func (r *runner) join() {
	for _, done := range r.started {
		<-done
	}
}

// sharedExports are the exports of another thread's instance that this thread may import: shared memories.
type sharedExports struct{ inst *spindle.Instance }

// Lookup implements spindle.ImportModule.
func (s sharedExports) Lookup(p *spindle.Process, name string) (spindle.Extern, bool) {
	x, ok := s.inst.Lookup(p, name)
	if m, isMem := x.(*spindle.Memory); ok && isMem && m.Type().Shared {
		return m, true
	}
	return nil, false
}
