package realworld

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	// What the commands consist of: go test's cache must not answer for them
	// when it changed.
	_ "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
	_ "github.com/spindle-wasm/spindle/wasi"
)

// buildDir holds the commands that tests build; TestMain removes it.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if buildDir, err = os.MkdirTemp("", "spindle-realworld-*"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(buildDir)
		return m.Run()
	}())
}

// spindleCommand is the path of the command of this tree, built once.
var spindleCommand = sync.OnceValues(func() (string, error) { return buildCommand("cmd/spindle") })

// buildCommand builds a main package of this tree, which may be a module of its
// own: hence the working directory.
func buildCommand(pkg string) (string, error) {
	exe := filepath.Join(buildDir, filepath.Base(pkg)+".exe")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Dir = filepath.Join("..", "..", filepath.FromSlash(pkg))
	// The cache of go test notes files that this process looks at, not those
	// that the build does.
	sources, err := filepath.Glob(filepath.Join(cmd.Dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, name := range sources {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %v\n%s", pkg, err, out)
	}
	return exe, nil
}

// needSlow skips what runs for seconds, and what needs the go command.
func needSlow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: real programs take seconds each")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("the go command builds what this test runs: %v", err)
	}
}

// guest gives a file of a package from the npm registry, or skips.
func guest(t *testing.T, p fetch.Package, file string) string {
	t.Helper()
	path, err := p.File(t.Context(), file)
	if errors.Is(err, fetch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A result is what a command left behind.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command to its end. It fails the test if that takes longer than
// limit or ends in something else than an exit.
func run(t *testing.T, limit time.Duration, dir, stdin, exe string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if ctx.Err() != nil {
		t.Fatalf("%s: not done after %v\n%s", filepath.Base(exe), limit, r.tail())
	}
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", exe, err)
	}
	return r
}

// spindle runs the command of this tree.
func spindle(t *testing.T, limit time.Duration, dir string, args ...string) result {
	t.Helper()
	exe, err := spindleCommand()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, limit, dir, "", exe, args...)
}

// tail is the end of both outputs: enough to see why a run failed.
func (r result) tail() string {
	cut := func(s string) string {
		const most = 4000
		if len(s) > most {
			return "…" + s[len(s)-most:]
		}
		return s
	}
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", r.code, cut(r.stdout), cut(r.stderr))
}
