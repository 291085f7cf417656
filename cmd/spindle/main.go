package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
)

func main() {
	os.Exit(execute(&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// app is one run of the command.
type app struct {
	stdin          *os.File
	stdout, stderr *os.File
	out            *output // stdout, for the command's own words
}

// output remembers the first error of writing: whoever prints a line does not look, and execute does.
type output struct {
	w   io.Writer
	mu  sync.Mutex
	err error // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// execute runs a command line and returns the exit code.
func execute(a *app, args []string) (code int) {
	defer func() {
		if v := recover(); v != nil {
			a.sayInternal(fmt.Sprint(v), string(debug.Stack()))
			code = exitFailure
		}
	}()
	a.out = &output{w: a.stdout}
	cmd, err := newRoot(a, args).ExecuteC()
	if err == nil {
		err = a.out.failure()
	}
	return a.fail(cmd, err)
}
