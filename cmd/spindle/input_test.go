package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestEndlessInput checks that --timeout ends the reading of a module that never comes.
func TestEndlessInput(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(builtBinary, "run", "--timeout", "10ms", "-")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 124 || stderr.String() != "spindle: not done within --timeout\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}

// TestHugeFile checks that a file larger than any module is not read.
func TestHugeFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("a file of holes may take all its room here")
	}
	name := filepath.Join(t.TempDir(), "huge.wasm")
	if err := os.WriteFile(name, []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<40); err != nil {
		t.Skip(err)
	}
	for _, command := range []string{"run", "validate", "inspect", "wasm2wat", "wat2wasm"} {
		res := runSpindle(t, ".", nil, command, name)
		if want := "spindle: " + name + ": larger than 1.0 GiB, which is the most that a module may have\n"; res.code != 1 || res.stderr != want {
			t.Errorf("%s: %+v", command, res)
		}
	}
}

// TestFullDisk checks that no command takes its words for written when they are not.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, line := range []string{
		"version", "--version", "help", "run --help", "completion bash", "inspect lib.wat", "inspect --json lib.wat", "validate lib.wat",
		"wasm2wat lib.wat", "wat2wasm lib.wat -o -", "wast good.wast", "run --invoke add lib.wat 1 2", "run start.wat",
	} {
		cmd := exec.Command(builtBinary, strings.Fields(line)...)
		var stderr strings.Builder
		cmd.Dir, cmd.Stdout, cmd.Stderr = "testdata/files", full, &stderr
		err := cmd.Run()
		if code := cmd.ProcessState.ExitCode(); err == nil || code != 1 || !strings.HasSuffix(stderr.String(), ": no space left on device\n") {
			t.Errorf("%s: exit code %d, stderr %q", line, code, stderr.String())
		}
	}
}
