package standby

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// variable tells a process that it is a standby, and the number of its end's descriptor.
const variable = "SPINDLE_STANDBY"

// Config says how a process is started.
type Config struct {
	Stderr *os.File // nil: the parent's
}

// Process is a process that was started. Its Conn and its end are two things: a dead one may have messages that have not been read.
type Process struct {
	*Conn
	p *os.Process
}

// Start starts a process of this binary, which finds the Conn's other end by Inherited.
func Start(cfg Config) (*Process, error) {
	c, far, err := pair()
	if err != nil {
		return nil, err
	}
	defer far.Close() //nolint:errcheck // the child has it
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	defer null.Close() //nolint:errcheck // likewise
	stderr := cfg.Stderr
	if stderr == nil {
		stderr = os.Stderr
	}
	env := make([]string, 0, len(os.Environ())+1)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, variable+"=") {
			env = append(env, kv)
		}
	}
	// Not os.Executable: whoever replaces the file while the program runs would have another program in its children.
	p, err := os.StartProcess("/proc/self/exe", os.Args[:1], &os.ProcAttr{Env: append(env, variable+"=3"), Files: []*os.File{null, null, stderr, far}})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &Process{c, p}, nil
}

// Inherited returns the end of a process that Start has started, nil in any other one. It does so once: processes that it starts itself are none.
func Inherited() (*Conn, error) {
	s, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(variable); err != nil {
		return nil, err
	}
	fd, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return nil, badf("the variable %s is %q", variable, s)
	}
	unix.CloseOnExec(int(fd))
	return newConn(int(fd))
}

// Waiting reports whether this process was started by Start, and nobody has called Inherited.
func Waiting() bool {
	_, ok := os.LookupEnv(variable)
	return ok
}

// Session makes the process the leader of a new session (setsid(2)): signals of a terminal do not reach it.
func Session() error {
	_, err := unix.Setsid()
	return os.NewSyscallError("setsid", err)
}

// PID returns the process's identifier.
func (p *Process) PID() int { return p.p.Pid }

// Signal sends a signal. The error is os.ErrProcessDone when Wait has returned.
func (p *Process) Signal(s os.Signal) error { return p.p.Signal(s) }

// Status is how a process ended.
type Status struct {
	Code   int
	Signal syscall.Signal // 0 if it was none
}

// Wait waits for the process's end.
func (p *Process) Wait() (Status, error) {
	s, err := p.p.Wait()
	if err != nil {
		return Status{}, err
	}
	ws := s.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return Status{Signal: ws.Signal()}, nil
	}
	return Status{Code: ws.ExitStatus()}, nil
}
