package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// When the disk is full, the command says so, and leaves neither a part of the file nor a temporary one; what was there under that name stays.
func TestSnapshotOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := copyFiles(t, "heap.wat")
	if err := os.Mkdir(filepath.Join(dir, "small"), 0o700); err != nil {
		t.Fatal(err)
	}
	// In a mount namespace of its own (unshare(1)), which goes with the commands.
	script := `mount -t tmpfs -o size=128k tmpfs small || exit 99
		echo old > small/app.snap
		"$0" snapshot -o small/app.snap --at fork-point heap.wat
		echo "exit $?"
		ls -A small
		cat small/app.snap`
	out, err := runIn(dir, exec.Command("unshare", "-rm", "sh", "-c", script, builtBinary))
	if err != nil {
		t.Skipf("no mounts here: %v: %s", err, out)
	}
	if want := "spindle: small/app.snap cannot be written: no space left on device\nexit 1\napp.snap\nold\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	// A device is no file that could be replaced.
	out, err = runIn(dir, exec.Command(builtBinary, "snapshot", "-o", "/dev/full", "--at", "fork-point", "heap.wat"))
	if err == nil || !strings.Contains(out, "no space left on device") {
		t.Errorf("on /dev/full: %v, %q", err, out)
	}
}

func runIn(dir string, cmd *exec.Cmd) (string, error) {
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
