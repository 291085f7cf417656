package mockvm

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spindle-wasm/spindle/gc/plan"
)

// A fork that the system has nothing left for is an error, after which everybody goes on: mutators run, collections too, and the next fork.
func TestForkWithoutFileDescriptors(t *testing.T) {
	v, ps := newForkable(t, "semispace", plan.Options{Workers: 2}, 1)
	run(t, 1000, ps...)
	img, _ := freeze(t, v, ps)
	resume(t, img)
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		collect(t, v) // most pages are the heap's own now: a new image needs a new file
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Skip(err)
	}
	low := old
	low.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Skip(err)
	}
	_, err := v.Freeze()
	if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("a fork without descriptors: %v", err)
	}
	run(t, 1000, ps...)
	collect(t, v)
	img, clones := freeze(t, v, ps)
	child, forked := fork(t, img, ps, clones, nil)
	resume(t, img)
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	run(t, 500, forked...)
	verify(t, "parent", ps, 2000)
	verify(t, "child", forked, 2500)
	closeVM(t, child)
	closeVM(t, v)
}
