package main_test

import (
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestListen checks that a guest serves on the socket of --tcplisten.
func TestListen(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(builtBinary, "run", "--tcplisten", addr, "testdata/files/accept.wat")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var conn net.Conn
	for start := time.Now(); ; { // until it listens
		if conn, err = net.Dial("tcp", addr); err == nil {
			break
		}
		if time.Since(start) > 30*time.Second {
			cmd.Process.Kill()
			t.Fatal(err, stderr.String())
		}
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("spindle")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "SPINDLE" {
		t.Errorf("received %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
}
