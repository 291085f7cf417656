package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// threadPrograms are the library's own tests of threads.
const threadPrograms = "../../testdata/threads"

// silentStdin is a standard input that never has anything, nor ends.
func silentStdin(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r
}

// TestThreadExitCodes checks the command's exit code for each way in which a thread can end a program, whatever the other threads
// do meanwhile: the guest's own code, 0 for a return of the main thread, 134 for a trap or an exception, with the thread in the message.
func TestThreadExitCodes(t *testing.T) {
	t.Parallel()
	stdin := silentStdin(t)
	whats := []string{"busy", "calls", "bulk", "waiting", "polling", "pollin", "reading", "yielding", "spawning", "starting", "startbusy"}
	hows := map[string]int{"exit": 99, "zero": 0, "trap": 134, "throw": 134, "exhaust": 134}
	if testing.Short() {
		whats = []string{"busy", "waiting", "reading", "starting"}
	}
	for _, who := range []string{"main", "thread"} {
		hows["return"] = map[string]int{"main": 0, "thread": 7}[who]
		for how, code := range hows {
			for _, what := range whats {
				res := runSpindle(t, threadPrograms, stdin, "run", "--max-threads", "20", "ends.wat", who, how, what)
				if res.code != code || res.stdout != "" || (res.stderr != "") != (code == 134) {
					t.Errorf("%s %s while others are %s: exit code %d, want %d; it printed %q and %q", who, how, what, res.code, code, res.stdout, res.stderr)
				}
			}
		}
	}
}

// TestThreadTimeout checks that a time limit ends all threads.
func TestThreadTimeout(t *testing.T) {
	t.Parallel()
	stdin := silentStdin(t)
	for _, what := range []string{"busy", "waiting", "pollin", "reading", "starting"} {
		res := runSpindle(t, threadPrograms, stdin, "run", "--timeout", "200ms", "ends.wat", "nobody", "exit", what)
		if res.code != 124 || !strings.Contains(res.stderr, "--timeout") {
			t.Errorf("%s: exit code %d and %q", what, res.code, res.stderr)
		}
	}
}

// TestThreadPrograms runs those programs that need no parameters, by what their first lines say.
func TestThreadPrograms(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(threadPrograms + "/*.wat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs (%v)", err)
	}
	stdin := silentStdin(t)
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var ends, threads = "", "50"
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, ";; ends: "); ok {
				ends = strings.TrimSpace(v)
			} else if v, ok := strings.CutPrefix(line, ";; max-threads: "); ok {
				threads = strings.TrimSpace(v)
			}
		}
		var code int
		switch n, _ := fmt.Sscanf(ends, "exit %d", &code); {
		case strings.Contains(string(text), "(;EACH;)") || strings.Contains(ends, ".."), ends == "":
			continue
		case n == 1, ends == "return":
		case strings.HasPrefix(ends, "trap "):
			code = 134
		default:
			t.Fatalf("%s: ends: %q", file, ends)
		}
		ran++
		res := runSpindle(t, threadPrograms, stdin, "run", "--max-threads", threads, filepath.Base(file))
		if res.code != code {
			t.Errorf("%s: exit code %d, want %d; it printed %q", file, res.code, code, res.stderr)
		}
	}
	if ran < 10 {
		t.Errorf("only %d programs", ran)
	}
}
