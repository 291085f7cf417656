package main_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata with what the command does now")

// builtBinary is the command, built once for all tests.
var builtBinary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "spindle-test-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		builtBinary = filepath.Join(dir, "spindle")
		if runtime.GOOS == "windows" {
			builtBinary += ".exe"
		}
		if out, err := exec.Command("go", "build", "-o", builtBinary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the command: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// command is one line of a transcript that begins with "$ ".
type command struct {
	line  string
	want  string
	notes []string // comments before it
}

// TestTranscripts runs the commands in testdata/*.txt, each file in a fresh copy of testdata/files and of the examples, and compares what they print.
// After a command's line come its standard output as it is, its standard error with "! " before each line, and "[exit N]" if N
// is not 0. Lines that begin with "## " are comments.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/files")); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../../examples/hello")); err != nil {
				t.Fatal(err)
			}
			cmds, rest := parseTranscript(string(text))
			if len(cmds) == 0 {
				t.Fatal("no commands")
			}
			var out strings.Builder
			for _, c := range cmds {
				got := runLine(t, dir, c.line)
				for _, n := range c.notes {
					out.WriteString(n + "\n")
				}
				out.WriteString("$ " + c.line + "\n" + got)
				if got != c.want && !*update {
					t.Errorf("$ %s\ngot:\n%swant:\n%s", c.line, got, c.want)
				}
			}
			if *update {
				for _, n := range rest {
					out.WriteString(n + "\n")
				}
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func parseTranscript(text string) (cmds []command, notes []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		cmd, isCmd := strings.CutPrefix(line, "$ ")
		switch {
		case isCmd:
			cmds = append(cmds, command{line: cmd, notes: notes})
			notes = nil
		case strings.HasPrefix(line, "## ") || len(cmds) == 0:
			notes = append(notes, line)
		default:
			cmds[len(cmds)-1].want += line + "\n"
		}
	}
	return cmds, notes
}

// runLine runs a line of a transcript: words, 'quoted words', < file, and > file.
func runLine(t *testing.T, dir, line string) string {
	t.Helper()
	words := splitWords(line)
	var args []string
	var stdin io.Reader
	var toFile string
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "<" && i+1 < len(words):
			f, err := os.Open(filepath.Join(dir, words[i+1]))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			stdin = f
			i++
		case words[i] == ">" && i+1 < len(words):
			toFile = filepath.Join(dir, words[i+1])
			i++
		default:
			args = append(args, words[i])
		}
	}
	if args[0] != "spindle" {
		t.Fatalf("%s: only spindle can be run", line)
	}
	res := runSpindle(t, dir, stdin, args[1:]...)
	if toFile != "" {
		if err := os.WriteFile(toFile, []byte(res.stdout), 0o644); err != nil {
			t.Fatal(err)
		}
		res.stdout = ""
	}
	var b strings.Builder
	b.WriteString(res.stdout)
	if res.stdout != "" && !strings.HasSuffix(res.stdout, "\n") {
		b.WriteString("⏎\n")
	}
	for line := range strings.Lines(res.stderr) {
		b.WriteString("! " + line)
	}
	if res.code != 0 {
		fmt.Fprintf(&b, "[exit %d]\n", res.code)
	}
	return b.String()
}

func splitWords(line string) (words []string) {
	var w strings.Builder
	quoted, open := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, open = !quoted, true
		case r == ' ' && !quoted:
			if open {
				words = append(words, w.String())
			}
			w.Reset()
			open = false
		default:
			w.WriteRune(r)
			open = true
		}
	}
	if open {
		words = append(words, w.String())
	}
	return words
}

type result struct {
	stdout, stderr string
	code           int
}

// runSpindle runs the command to its end.
func runSpindle(t *testing.T, dir string, stdin io.Reader, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(builtBinary, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &stdout, &stderr
	cmd.Env = append(os.Environ(), "SPINDLE_TEST=from the environment")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
