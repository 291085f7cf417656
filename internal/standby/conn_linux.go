package standby

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Conn is one end. Send is safe for concurrent use; Recv is for one goroutine at a time.
type Conn struct {
	c *net.UnixConn

	sending sync.Mutex
	in      []byte // Recv's
	oob     []byte // likewise
}

// pair makes a Conn, and the other end for a process that is to be started.
func pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	far := os.NewFile(uintptr(fds[1]), "standby")
	c, err := newConn(fds[0])
	if err != nil {
		return nil, nil, errors.Join(err, far.Close())
	}
	return c, far, nil
}

// newConn takes over a socket.
func newConn(fd int) (*Conn, error) {
	f := os.NewFile(uintptr(fd), "standby")
	defer f.Close() //nolint:errcheck // FileConn has made a descriptor of its own
	if typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || typ != unix.SOCK_SEQPACKET {
		return nil, badf("descriptor %d is no socket of packets", fd)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(badf("descriptor %d is a socket of another kind (%T)", fd, c), c.Close())
	}
	return &Conn{c: u}, nil
}

// Pipe makes two ends in one process, for tests.
func Pipe() (a, b *Conn, err error) {
	a, far, err := pair()
	if err != nil {
		return nil, nil, err
	}
	fd, err := unix.FcntlInt(far.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err = errors.Join(os.NewSyscallError("fcntl", err), far.Close()); err == nil {
		b, err = newConn(fd)
	}
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	return a, b, nil
}

// Send sends a message. The files stay the sender's, who may close them when it returns. The error is io.EOF (errors.Is) when the other side is gone.
func (c *Conn) Send(m Message) error {
	if len(m.Body) > MaxBody || len(m.Files) > MaxFiles {
		return badf("a message of %d bytes and %d files is too large", len(m.Body), len(m.Files))
	}
	h, files, body := header{kind: m.Kind}, m.Files, m.Body
	if len(body) > maxPacket-headerSize {
		f, err := NewFile("message", body)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it is in memory
		files = append(files[:len(files):len(files)], f)
		h.flags, body = flagBodyIn, nil
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	for len(files) > maxPacketFiles {
		if err := c.packet(header{m.Kind, flagMore, maxPacketFiles}, nil, files[:maxPacketFiles]); err != nil {
			return err
		}
		files = files[maxPacketFiles:]
	}
	h.files = len(files)
	return c.packet(h, body, files)
}

func (c *Conn) packet(h header, body []byte, files []*os.File) error {
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		// With Control and not Fd, which has a file be in blocking mode from then on.
		for k, f := range files {
			rc, err := f.SyscallConn()
			if err == nil {
				err = rc.Control(func(fd uintptr) { fds[k] = int(fd) })
			}
			if err != nil {
				return err
			}
		}
		oob = unix.UnixRights(fds...)
	}
	_, _, err := c.c.WriteMsgUnix(append(h.append(make([]byte, 0, headerSize+len(body))), body...), oob, nil)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) { // the latter if it has not read all
		err = goneError{err}
	}
	return err
}

// goneError is io.EOF with what the system says.
type goneError struct{ error }

func (e goneError) Is(target error) bool { return target == io.EOF } //nolint:errorlint // exactly that
func (e goneError) Unwrap() error        { return e.error }

// Recv waits for a message. The error is io.EOF when the other side is gone, a *ProtocolError for what is no message, net.ErrClosed after Close.
func (c *Conn) Recv() (m Message, err error) {
	if c.in == nil {
		c.in, c.oob = make([]byte, maxPacket), make([]byte, unix.CmsgSpace(4*(maxPacketFiles+1)))
	}
	fail := func(err error) (Message, error) {
		m.Close() //nolint:errcheck // the error to report is there
		return Message{}, err
	}
	for first := true; ; first = false {
		n, oobn, flags, _, err := c.c.ReadMsgUnix(c.in, c.oob)
		if errors.Is(err, unix.ECONNRESET) {
			// The other side is gone and has not read all. That is told once, and before what it has sent.
			n, oobn, flags, _, err = c.c.ReadMsgUnix(c.in, c.oob)
		}
		if err != nil {
			return fail(err)
		}
		// Also what is refused has files, which must be closed.
		files, ferr := received(c.oob[:oobn])
		m.Files = append(m.Files, files...)
		switch {
		case n == 0 && oobn == 0:
			return fail(io.EOF)
		case ferr != nil:
			return fail(ferr)
		case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			return fail(badf("a packet is too large, or has more files than this process can open"))
		}
		h, body, err := parse(c.in[:n], len(files))
		switch {
		case err != nil:
			return fail(err)
		case !first && h.kind != m.Kind:
			return fail(badf("a message of kind %d within one of kind %d", h.kind, m.Kind))
		case len(m.Files) > MaxFiles+1:
			return fail(badf("a message with more than %d files", MaxFiles))
		}
		m.Kind = h.kind
		if h.flags&flagMore != 0 {
			continue
		}
		if h.flags&flagBodyIn == 0 {
			m.Body = append([]byte(nil), body...)
			return m, nil
		}
		f := m.Files[len(m.Files)-1]
		m.Files = m.Files[:len(m.Files)-1]
		m.Body, err = ReadFile(f, MaxBody)
		if err = errors.Join(err, f.Close()); err != nil {
			return fail(err)
		}
		return m, nil
	}
}

// received returns the files that came with a packet.
func received(oob []byte) (files []*os.File, err error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, badf("control messages that are none: %v", err)
	}
	for k := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[k])
		if err != nil {
			continue // credentials and the like
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// Close closes this end. A Recv under way returns net.ErrClosed.
func (c *Conn) Close() error { return c.c.Close() }

// memfd makes an empty file in memory.
func memfd(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal forbids changes of a file for ever.
func seal(f *os.File, seals int) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return os.NewSyscallError("fcntl", err)
}

// sealed returns an error if a file does not have all of the seals.
func sealed(f *os.File, need int) error {
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&need != need {
		return badf("a file that may still change")
	}
	return nil
}

// NewFile makes a file in memory of bytes, which nobody can change any more.
func NewFile(name string, b []byte) (*os.File, error) {
	f, err := memfd(name)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(b); err == nil {
		err = seal(f, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// size returns how long a file is, which must be one that can be read at any place.
func size(f *os.File, most int64) (int, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular() || info.Size() > most:
		return 0, badf("a file of %d bytes (%v) in the place of one in memory of at most %d", info.Size(), info.Mode(), most)
	}
	return int(info.Size()), nil
}

// ReadFile returns what is in a file.
func ReadFile(f *os.File, most int64) ([]byte, error) {
	n, err := size(f, most)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil && (n > 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	return b, nil
}

// MapFile returns what is in a file that NewFile made, mapped until Unmap. It must be sealed: bytes that change, or go, below who reads them are
// refused.
func MapFile(f *os.File, most int64) ([]byte, error) {
	n, err := size(f, most)
	if err != nil || n == 0 {
		return nil, err
	}
	if err := sealed(f, unix.F_SEAL_SHRINK|unix.F_SEAL_WRITE); err != nil {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ, unix.MAP_PRIVATE)
	return b, os.NewSyscallError("mmap", err)
}

// Unmap gives back what MapFile returned.
func Unmap(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(b))
}
