package serve

import (
	"io"
	"runtime"
	"testing"
)

// A guest does not go on before the handler has dealt with the head of its answer, or wants more of it: whether it has asked for the body by then must not depend on which
// of the two is quicker. After the head it goes on when its output has been read.
func TestExchangeHead(t *testing.T) {
	for range 200 {
		x := newExchange(&input{}, false)
		written := make(chan error, 4)
		go func() {
			for _, s := range []string{"he", "ad", "bo", "dy"} {
				_, err := io.WriteString(x, s)
				written <- err
			}
		}()
		read := func(want string) {
			t.Helper()
			b := make([]byte, 8)
			if n, err := x.Read(b); err != nil || string(b[:n]) != want {
				t.Fatalf("%v, %q", err, b[:n])
			}
		}
		held := func() bool {
			for range 20 {
				runtime.Gosched()
			}
			return len(written) == 0
		}
		read("he")
		if !held() {
			t.Fatal("the guest goes on with a head that is being read")
		}
		read("ad") // by which the handler has said that it wants more
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		if !held() {
			t.Fatal("the guest goes on with a head that has not been dealt with")
		}
		x.begin()
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		read("bo")
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		read("dy")
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
}
