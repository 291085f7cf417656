//go:build unix

package main_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// spin prints a line and then loops for ever.
const spin = `(module
	(import "spectest" "print" (func $print))
	(func (export "_start") (call $print) (loop (br 0))))`

// TestInterrupt checks that Ctrl-C stops a guest in a loop.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "spin.wat")
	if err := os.WriteFile(file, []byte(spin), 0o644); err != nil {
		t.Fatal(err)
	}
	interrupt(t, exec.Command(builtBinary, "run", file))
}

// TestInterruptRead checks that Ctrl-C stops a guest that waits for its standard input.
func TestInterruptRead(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(builtBinary, "run", "testdata/files/cat.wat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if _, err := stdin.Write([]byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	interrupt(t, cmd)
}

// interrupt starts a command, sends it SIGINT once it has printed a line, and checks how it ends.
func interrupt(t *testing.T, cmd *exec.Cmd) {
	stdout, stderr := start(t, cmd)
	if _, err := stdout.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	finish(t, cmd, stderr)
}

// start starts a command, to be killed after a minute, and returns what it prints.
func start(t *testing.T, cmd *exec.Cmd) (stdout, stderr *bufio.Reader) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	t.Cleanup(func() { timer.Stop() })
	return bufio.NewReader(out), bufio.NewReader(messages)
}

// finish sends a command SIGINT: it ends, without a further message.
func finish(t *testing.T, cmd *exec.Cmd, stderr io.Reader) {
	t.Helper()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || len(rest) > 0 {
		t.Errorf("exit code %d, stderr %q; want 130 and nothing", code, rest)
	}
}
