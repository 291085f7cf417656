package warm

import (
	"io"
	"net"
	"sync"
)

// gate is a standard input that has nothing, and tells when somebody wants to read it: package wasi calls Read when the guest reads, or polls, and not before.
type gate struct {
	asked, closed chan struct{}
	ask, shut     sync.Once
}

func newGate() *gate { return &gate{asked: make(chan struct{}), closed: make(chan struct{})} }

func (g *gate) Read([]byte) (int, error) {
	g.ask.Do(func() { close(g.asked) })
	<-g.closed
	return 0, io.EOF
}

func (g *gate) Close() error {
	g.shut.Do(func() { close(g.closed) })
	return nil
}

// Door is a listener to which nobody comes, and which tells when somebody waits. Package wasi calls Accept when the guest does, or polls, and not before.
type Door struct {
	Asked  chan struct{} // closed by the first Accept
	closed chan struct{}

	ask, shut sync.Once
}

// NewDoor makes a Door.
func NewDoor() *Door { return &Door{Asked: make(chan struct{}), closed: make(chan struct{})} }

// Accept waits for Close.
func (d *Door) Accept() (net.Conn, error) {
	d.ask.Do(func() { close(d.Asked) })
	<-d.closed
	return nil, net.ErrClosed
}

// Close ends all Accepts.
func (d *Door) Close() error {
	d.shut.Do(func() { close(d.closed) })
	return nil
}

// Addr is nowhere.
func (d *Door) Addr() net.Addr { return &net.TCPAddr{} }
