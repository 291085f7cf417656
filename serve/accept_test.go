package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

func call(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

// Each connection has a child that returns from its first accept, for as long as both talk.
func TestAccept(t *testing.T) {
	s, addr := listen(t, read(t, "testdata/accept.wat"), Config{At: PointAccept})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for range 5 {
				conn := call(t, addr)
				br := bufio.NewReader(conn)
				if b, err := br.ReadByte(); err != nil || b != '1' {
					t.Errorf("%v, %q", err, b)
				}
				for k := range 5 {
					fmt.Fprintf(conn, "piece%c%c_", 'a'+g, 'a'+k)
					if line, err := br.ReadString('_'); err != nil || line != fmt.Sprintf("PIECE%c%c_", 'A'+g, 'A'+k) {
						t.Errorf("%v, %q", err, line)
					}
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Error(err)
				}
				if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 {
					t.Errorf("%v, %q", err, rest)
				}
				conn.Close()
			}
		})
	}
	wg.Wait()
	waitFor(t, "the last children to end", func() bool { return s.metrics.ends[0].Load() == 80 && s.metrics.live.Load() == 0 })
}

// Connections that end otherwise: a trap, a client that says nothing, one too many, a shutdown.
func TestAcceptEnds(t *testing.T) {
	s, addr := listen(t, read(t, "testdata/accept.wat"), Config{At: PointAccept, Timeout: 500 * time.Millisecond, Concurrency: 1, Queue: -1})
	conn := call(t, addr)
	defer conn.Close()
	io.WriteString(conn, "!")
	if b, err := io.ReadAll(conn); string(b) != "1" {
		t.Errorf("a trap: %v, %q", err, b)
	}
	waitFor(t, "the trap", func() bool { return s.metrics.ends[3].Load() == 1 })
	silent := call(t, addr)
	defer silent.Close()
	waitFor(t, "the silent client's child", func() bool { return s.metrics.live.Load() == 1 })
	more := call(t, addr)
	defer more.Close()
	if b, err := io.ReadAll(more); len(b) > 0 {
		t.Errorf("one too many: %v, %q", err, b)
	}
	waitFor(t, "silence to be taken for an end", func() bool { return s.metrics.ends[1].Load() == 1 && s.metrics.ends[2].Load() == 1 })
	last := call(t, addr)
	defer last.Close()
	waitFor(t, "the last child", func() bool { return s.metrics.live.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("a shutdown without time cut nobody off")
	}
}
