package interp

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// listing returns the compiler's assembly listing of the dispatch loop: one line for each instruction.
func listing(t *testing.T) []string {
	t.Helper()
	if runtime.GOARCH != "amd64" || runtime.Compiler != "gc" {
		t.Skipf("the loop's machine code is known for gc on amd64 only, this is %s on %s", runtime.Compiler, runtime.GOARCH)
	}
	gobin, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to compile the loop with: ", err)
	}
	var errs bytes.Buffer
	cmd := exec.Command(gobin, "build", "-gcflags=-S", ".")
	cmd.Stderr = &errs // where -S prints
	if err := cmd.Run(); err != nil {
		t.Fatalf("go build -gcflags=-S: %v\n%s", err, errs.Bytes())
	}
	var lines []string
	inside := false
	sc := bufio.NewScanner(&errs)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, "\t") {
			inside = strings.Contains(line, "/interp.run STEXT")
		}
		if inside {
			lines = append(lines, line)
		}
	}
	if len(lines) < 1000 {
		t.Fatalf("the listing of run has %d lines only; did the compiler's output change?", len(lines))
	}
	return lines
}

var (
	asmLine  = regexp.MustCompile(`^\t0x[0-9a-f]+ (\d+) \(([^)]*)\)\t([A-Z0-9]+)\t?(.*)$`)
	indirect = regexp.MustCompile(`^\([A-Z0-9]+\)\([A-Z0-9]+\*8\)$`)
)

// TestLoopMachineCode guards what the interpreter's speed rests on (reference/interp.md, 3): no frame and no call, so that nothing is
// spilled around the dispatch, and a dispatch within the first 32 bytes. It protects about a third of the speed.
func TestLoopMachineCode(t *testing.T) {
	lines := listing(t)
	if !strings.Contains(lines[0], " locals=0x0 ") {
		t.Errorf("run has a frame: %s", lines[0])
	}
	dispatch, end := false, 0
	for _, line := range lines[1:] {
		m := asmLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at, _ := strconv.Atoi(m[1])
		if dispatch && end == 0 {
			end = at
		}
		switch m[3] {
		case "CALL":
			t.Errorf("a call at %s: %s", m[2], m[4])
		case "JMP":
			if indirect.MatchString(m[4]) && !dispatch {
				dispatch = true
			}
		case "TEXT":
			if !strings.HasSuffix(m[4], ", $0-48") {
				t.Errorf("run has a frame: %s", m[4])
			}
		}
	}
	if !dispatch {
		t.Error("run has no jump table")
	} else if end == 0 || end > 32 {
		t.Errorf("the dispatch ends at byte %d of run, want at most 32", end)
	}
}

// TestGenerated: the checked-in loop is what gen writes.
func TestGenerated(t *testing.T) {
	gobin, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to run gen with: ", err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(gobin, "run", "./gen", "-dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("go run ./gen: %v\n%s", err, out)
	}
	for _, name := range []string{"ops_generated.go", "run_generated.go"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
			t.Errorf("%s is not what gen writes: go generate ./internal/interp", name)
		}
	}
}
