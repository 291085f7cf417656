package standby

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func pipe(t testing.TB) (a, b *Conn) {
	t.Helper()
	a, b, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func openFiles(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// Messages of all sizes, and with more files than a packet takes, arrive as they were sent, and files are the same.
func TestMessages(t *testing.T) {
	before := openFiles(t)
	a, b, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, maxPacket - headerSize, maxPacket - headerSize + 1, 300_000} {
		for _, n := range []int{0, 1, maxPacketFiles - 1, maxPacketFiles, maxPacketFiles + 1, 2*maxPacketFiles + 3} {
			m := Message{Kind: 7, Body: bytes.Repeat([]byte{'x'}, size)}
			for k := range n {
				f, err := NewFile("f", []byte{byte(k), byte(k >> 8)})
				if err != nil {
					t.Fatal(err)
				}
				m.Files = append(m.Files, f)
			}
			sent := make(chan error)
			go func() {
				err := a.Send(m)
				sent <- errors.Join(err, m.Close())
			}()
			got, err := b.Recv()
			if err := errors.Join(err, <-sent); err != nil {
				t.Fatal(err)
			}
			if got.Kind != 7 || !bytes.Equal(got.Body, m.Body) || len(got.Files) != n {
				t.Errorf("%d bytes and %d files arrive as %d and %d", size, n, len(got.Body), len(got.Files))
			}
			for k, f := range got.Files {
				if c, err := ReadFile(f, 2); err != nil || !bytes.Equal(c, []byte{byte(k), byte(k >> 8)}) {
					t.Errorf("file %d has %v (%v)", k, c, err)
				}
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := a.Send(Message{Body: make([]byte, MaxBody+1)}); !isBad(err) {
		t.Errorf("a body too large: %v", err)
	}
	if err := a.Send(Message{Files: make([]*os.File, MaxFiles+1)}); !isBad(err) {
		t.Errorf("too many files: %v", err)
	}
	a.Close()
	if _, err := b.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the other end is closed: %v", err)
	}
	b.Close()
	if _, err := b.Recv(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("this end is closed: %v", err)
	}
	if n := openFiles(t); n != before {
		t.Errorf("%d files are open, %d were", n, before)
	}
}

// A message to who is gone is no fault of the connection, whether or not they had read all.
func TestSendToNobody(t *testing.T) {
	for unread := range 3 {
		a, b := pipe(t)
		for range unread {
			if err := a.Send(Message{Kind: 1}); err != nil {
				t.Fatal(err)
			}
		}
		b.Close()
		for range 3 {
			if err := a.Send(Message{Kind: 1}); !errors.Is(err, io.EOF) {
				t.Errorf("%d messages unread: %v", unread, err)
			}
		}
		a.Close()
		if err := a.Send(Message{Kind: 1}); !errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			t.Errorf("this end is closed: %v", err)
		}
	}
}

// What a process has said before it died is read, also if it had not read all itself.
func TestLastWords(t *testing.T) {
	a, b := pipe(t)
	if err := errors.Join(a.Send(Message{Kind: 1}), b.Send(Message{Kind: 2}), b.Send(Message{Kind: 3}), b.Close()); err != nil {
		t.Fatal(err)
	}
	for want := byte(2); want <= 3; want++ {
		if m, err := a.Recv(); err != nil || m.Kind != want {
			t.Errorf("message %d, %v", m.Kind, err)
		}
	}
	if _, err := a.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func isBad(err error) bool {
	var bad *ProtocolError
	return errors.As(err, &bad)
}

// FuzzRecv sends packets that are no messages, with and without files: each is a *ProtocolError, or a message, and no file is lost.
func FuzzRecv(f *testing.F) {
	f.Add([]byte{7, 0, 0, 0, 'h', 'i'}, []byte{7, 0, 1, 0}, uint8(1))
	f.Add([]byte{7, flagMore, 1, 0}, []byte{7, flagBodyIn, 1, 0}, uint8(1))
	f.Add([]byte{7, flagMore, 1, 0}, []byte{8, 0, 1, 0}, uint8(1))
	f.Add([]byte{7}, []byte{7, flagBodyIn, 0, 0}, uint8(0))
	f.Add([]byte{7, 0xff, 2, 0}, bytes.Repeat([]byte{1}, maxPacket+1), uint8(2))
	f.Fuzz(func(t *testing.T, one, two []byte, n uint8) {
		before := openFiles(t)
		a, b, err := Pipe()
		if err != nil {
			t.Fatal(err)
		}
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		rights := unix.UnixRights(slices.Repeat([]int{int(null.Fd())}, int(n%4))...)
		for _, p := range [][]byte{one, two} {
			if len(p) == 0 || len(p) > 100_000 {
				continue // nothing is sent
			}
			if _, _, err := a.c.WriteMsgUnix(p, rights, nil); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
		for {
			m, err := b.Recv()
			if err == nil {
				m.Close()
				continue
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if !isBad(err) {
				t.Fatalf("%T %v", err, err)
			}
		}
		b.Close()
		null.Close()
		if after := openFiles(t); after != before {
			t.Errorf("%d files are open, %d were", after, before)
		}
	})
}

// No two who count get the same number, whether by one description or one that was passed.
func TestCounter(t *testing.T) {
	a, b := pipe(t)
	here, err := NewCounter(100)
	if err != nil {
		t.Fatal(err)
	}
	defer here.File().Close()
	if err := a.Send(Message{Files: []*os.File{here.File()}}); err != nil {
		t.Fatal(err)
	}
	m, err := b.Recv()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	there, err := OpenCounter(m.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	const each = 20_000
	var mu sync.Mutex
	seen := map[uint32]bool{}
	var wg sync.WaitGroup
	for _, c := range []*Counter{here, here, there, there} {
		wg.Go(func() {
			for range each {
				n := c.Next()
				mu.Lock()
				if n <= 100 || seen[n] {
					t.Errorf("%d again", n)
				}
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := there.Last(); n != 100+4*each {
		t.Errorf("counted %d", n)
	}
	// What may shrink below who counts is refused, and what is empty.
	for name, open := range map[string]func() (*os.File, error){
		"empty": func() (*os.File, error) { return NewFile("f", nil) },
		"large": func() (*os.File, error) { return NewFile("f", make([]byte, 1<<17)) },
		"shrink": func() (*os.File, error) {
			f, err := memfd("f")
			return f, errors.Join(err, f.Truncate(4))
		},
	} {
		f, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCounter(f); !isBad(err) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

// What may still change is not mapped.
func TestMapFile(t *testing.T) {
	f, err := NewFile("f", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := MapFile(f, 100)
	if err != nil || string(b) != "content" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := Unmap(b); err != nil {
		t.Error(err)
	}
	if _, err := MapFile(f, 6); !isBad(err) {
		t.Errorf("larger than allowed: %v", err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the file can be changed")
	}
	disk, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if _, err := disk.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	if _, err := MapFile(disk, 100); !isBad(err) {
		t.Errorf("a file on disk: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := ReadFile(r, 100); !isBad(err) {
		t.Errorf("a pipe: %v", err)
	}
}
