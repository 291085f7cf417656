package spindle_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spindle-wasm/spindle"
)

// A call that an Image is made in gives the answer in every child: of the Image, of a file of it, and of what is made of a child whether it has run or not.
func TestAnswers(t *testing.T) {
	ctx := t.Context()
	rt := spindle.NewRuntime()
	defer rt.Close()
	var d told
	host := d.host()
	var img *spindle.Image
	host["point"] = spindle.RawFunc(spindle.FuncType{
		Params: []spindle.ValueType{spindle.TypeI32}, Results: []spindle.ValueType{spindle.TypeI64, spindle.TypeI32},
	}, func(c *spindle.Caller, slots []uint64) {
		if img != nil {
			t.Error("the call was made again")
			return
		}
		for want, a := range map[string]spindle.Answer{
			"0 slots":        {},
			"1 slots":        {Results: []uint64{1}},
			"2 bytes at 0xf": {Results: []uint64{1, 2}, Writes: []spindle.AnswerWrite{{Addr: 65535, Bytes: []byte{1, 2}}}},
			"1 bytes at":     {Results: []uint64{1, 2}, Writes: []spindle.AnswerWrite{{Addr: ^uint64(0), Bytes: []byte{1}}}},
		} {
			var fe *spindle.ForkError
			if _, _, err := c.Freeze(ctx, spindle.FreezeOptions{}, a); !errors.As(err, &fe) || !strings.Contains(fe.Reason, want) {
				t.Errorf("an answer that does not fit: %v, want %q", err, want)
			}
		}
		var err error
		if img, _, err = c.Freeze(ctx, spindle.FreezeOptions{}, spindle.Answer{
			Results: []uint64{1 << 40, 5}, Writes: []spindle.AnswerWrite{{Addr: slots[0], Bytes: []byte{7, 8}}, {Addr: 65535, Bytes: []byte{9}}},
		}); err != nil {
			t.Error(err)
		}
		slots[0], slots[1] = 3, 4
	})
	imports := spindle.Imports{"host": host}
	p, err := rt.Start(ctx, compileText(t, rt, `(module
		(import "host" "point" (func $point (param i32) (result i64 i32)))
		(import "host" "tell" (func $tell (param i64)))
		(memory (export "memory") 1)
		(func (export "_start") (local $b i32)
			(call $point (i32.const 100))
			(local.set $b)
			(i64.add (i64.extend_i32_u (local.get $b)))
			(i64.add (i64.shl (i64.load16_u (i32.const 100)) (i64.const 8)))
			(i64.add (i64.shl (i64.load8_u (i32.const 65535)) (i64.const 24)))
			(call $tell)
			(i32.store (i32.const 200) (i32.const 1))))`), spindle.Config{Name: "main", Imports: imports})
	if err == nil {
		err = p.Wait(ctx)
	}
	if err != nil || d.of(p) != 7 {
		t.Fatalf("the original tells %#x (%v)", d.of(p), err)
	}
	child, err := img.Fork(ctx, spindle.ForkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	all := []*spindle.Process{child, throughFile(t, img, imports)}
	for range 20 { // some of them before the child has run
		c, err := img.Fork(ctx, spindle.ForkConfig{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		again, _, err := c.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			continue // it has ended
		}
		told := false
		c, err = again.Fork(ctx, spindle.ForkConfig{Before: func(c *spindle.Process) error {
			// There is no safepoint between a call's return and the store behind it.
			m, err := c.Instance("main").Memory("memory")
			if err != nil {
				return err
			}
			b, ok := m.Uint32(200)
			told = ok && b != 0
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if told {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		} else {
			all = append(all, c)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	for i, c := range all {
		if err := c.Wait(ctx); err != nil {
			t.Errorf("child %d: %v", i, err)
		}
		if got, want := d.of(c), uint64(1<<40+5+0x807<<8+9<<24); got != want {
			t.Errorf("child %d tells %#x, want %#x", i, got, want)
		}
	}
}

// The time that a call has waited adds up over generations, in files too.
func TestElapsedOverGenerations(t *testing.T) {
	ctx := t.Context()
	var mu sync.Mutex
	seen := map[*spindle.Process]time.Duration{}
	entered := make(chan struct{}, 10)
	imports := spindle.Imports{"host": spindle.HostModule{"wait": spindle.Proc0(func(c *spindle.Caller) {
		mu.Lock()
		seen[c.Process()] = c.Elapsed()
		mu.Unlock()
		stopped := c.Stopped()
		c.BlockSince(time.Now().Add(-c.Elapsed()), func() {
			entered <- struct{}{}
			<-stopped
		})
	})}}
	rt := spindle.NewRuntime()
	defer rt.Close()
	p, err := rt.Start(ctx, compileText(t, rt, `(module (import "host" "wait" (func $wait)) (func (export "_start") (call $wait)))`), spindle.Config{Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	last := time.Duration(0)
	for k := range 5 {
		<-entered
		img, _, err := p.Freeze(ctx, spindle.FreezeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if k%2 == 0 {
			p = throughFile(t, img, imports)
		} else if p, err = img.Fork(context.Background(), spindle.ForkConfig{}); err != nil {
			t.Fatal(err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		// It is known when the call waits again.
		<-entered
		entered <- struct{}{}
		mu.Lock()
		now := seen[p]
		mu.Unlock()
		if now <= last {
			t.Errorf("generation %d had waited for %v, the one before for %v", k+1, now, last)
		}
		last = now
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
