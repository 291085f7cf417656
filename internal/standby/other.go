//go:build !linux

package standby

import (
	"errors"
	"os"
	"syscall"
)

// Conn is one end.
type Conn struct{}

// Pipe makes two ends.
func Pipe() (a, b *Conn, err error) { return nil, nil, errors.ErrUnsupported }

// Send sends a message.
func (*Conn) Send(Message) error { return errors.ErrUnsupported }

// Recv waits for a message.
func (*Conn) Recv() (Message, error) { return Message{}, errors.ErrUnsupported }

// Close closes this end.
func (*Conn) Close() error { return nil }

// NewFile makes a file in memory.
func NewFile(string, []byte) (*os.File, error) { return nil, errors.ErrUnsupported }

// ReadFile returns what is in a file.
func ReadFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// MapFile returns what is in a file.
func MapFile(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmap gives back what MapFile returned.
func Unmap([]byte) error { return nil }

// Config says how a process is started.
type Config struct{ Stderr *os.File }

// Process is a process that was started.
type Process struct{ *Conn }

// Start starts a process.
func Start(Config) (*Process, error) { return nil, errors.ErrUnsupported }

// Inherited returns the end of a process that Start has started.
func Inherited() (*Conn, error) { return nil, nil }

// Waiting reports whether this process was started by Start.
func Waiting() bool { return false }

// Session makes the process the leader of a new session.
func Session() error { return errors.ErrUnsupported }

// PID returns the process's identifier.
func (*Process) PID() int { return 0 }

// Signal sends a signal.
func (*Process) Signal(os.Signal) error { return errors.ErrUnsupported }

// Status is how a process ended.
type Status struct {
	Code   int
	Signal syscall.Signal
}

// Wait waits for the process's end.
func (*Process) Wait() (Status, error) { return Status{}, errors.ErrUnsupported }

// Counter is a counter that processes share.
type Counter struct{}

// NewCounter makes a counter.
func NewCounter(uint32) (*Counter, error) { return nil, errors.ErrUnsupported }

// OpenCounter returns the counter of a file.
func OpenCounter(*os.File) (*Counter, error) { return nil, errors.ErrUnsupported }

// File is the counter's file.
func (*Counter) File() *os.File { return nil }

// Next adds one.
func (*Counter) Next() uint32 { return 0 }

// Last returns what the counter is.
func (*Counter) Last() uint32 { return 0 }
