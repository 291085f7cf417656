package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal: its two ends.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestProgress checks that long work shows itself on a terminal, and wipes its line out at the end.
func TestProgress(t *testing.T) {
	t.Parallel()
	master, slave := openTerminal(t)
	file := filepath.Join(t.TempDir(), "spin.wast")
	if err := os.WriteFile(file, []byte(spin+`(assert_return (invoke "_start"))`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(builtBinary, "wast", file)
	cmd.Stderr = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	slave.Close()
	var seen []byte
	for interrupted := false; ; {
		buf := make([]byte, 1024)
		n, err := master.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil {
			break // EIO: the other end is closed
		}
		if !interrupted && bytes.Contains(seen, []byte("0 of 1 scripts, 1 s")) {
			interrupted = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !bytes.HasSuffix(seen, []byte("\r\x1b[K")) {
		t.Errorf("exit code %d, terminal shows %q; want 130 and the line wiped out", code, seen)
	}
}
