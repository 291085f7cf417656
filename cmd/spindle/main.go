package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

func main() {
	os.Exit(execute(&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// app is one run of the command.
type app struct {
	stdin          *os.File
	stdout, stderr *os.File
	out            io.Writer // stdout, for the command's own words
}

// execute runs a command line and returns the exit code. A broken invariant of ours is shown in one line; SPINDLE_DEBUG asks for more.
func execute(a *app, args []string) (code int) {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(a.stderr, "spindle: internal error, please report it: %v\n", v)
			if os.Getenv("SPINDLE_DEBUG") != "" {
				fmt.Fprintf(a.stderr, "%s", debug.Stack())
			} else {
				fmt.Fprintln(a.stderr, "  (SPINDLE_DEBUG=1 in the environment shows where)")
			}
			code = exitFailure
		}
	}()
	a.out = a.stdout
	cmd, err := newRoot(a, args).ExecuteC()
	return a.fail(cmd, err)
}
