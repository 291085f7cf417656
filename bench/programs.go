package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spindle-wasm/spindle/internal/realworld/fetch"
)

// A program is a guest whose whole process is timed: from the start of the
// command that runs it to its exit, nothing cached.
type program struct {
	name string
	bar  string
	wasm string
	// mount is a host directory to be the guest's root, or "".
	mount string
	args  []string
	// want must be in the standard output.
	want string
}

// runPrograms builds both commands and the guests, and times them in turns. A
// guest that is not to be had here leaves a row without figures.
func runPrograms(ctx context.Context, o options, progress func(string)) (*Section, error) {
	tmp, err := os.MkdirTemp("", "spindle-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	progress("building the commands")
	root, err := treeRoot(ctx)
	if err != nil {
		return nil, err
	}
	// The command may be a module of its own: it is built where it stands.
	spindle, err := command(ctx, o.spindle, tmp, filepath.Join(root, "cmd", "spindle"), ".")
	if err != nil {
		return nil, err
	}
	wazero, err := command(ctx, o.wazero, tmp, "", "github.com/tetratelabs/wazero/cmd/wazero")
	if err != nil {
		return nil, err
	}
	// Either command's line for a program.
	lines := []func(p program) []string{
		func(p program) []string {
			line := []string{spindle, "run"}
			if p.mount != "" {
				line = append(line, "--dir", p.mount+"::/", "--env", "PWD=/")
			}
			return append(append(line, p.wasm), p.args...)
		},
		func(p program) []string {
			line := []string{wazero, "run", "-interpreter"}
			if p.mount != "" {
				line = append(line, "-mount", p.mount+":/", "-env", "PWD=/")
			}
			return append(append(line, p.wasm), p.args...)
		},
	}
	list, missing, err := programs(ctx, tmp, root)
	if err != nil {
		return nil, err
	}
	sec := &Section{Title: "program", Columns: []string{"spindle", "wazero-int"}, Clock: "wall time"}
	for _, p := range list {
		progress(p.name)
		row := &Row{Name: p.name, Kind: p.bar, Samples: samples(len(lines))}
		for round := range o.runs {
			for i, line := range lines {
				took, err := timeProgram(ctx, line(p), p.want)
				if err != nil {
					return nil, fmt.Errorf("%s, run %d: %w", p.name, round, err)
				}
				row.Samples[i].add(took)
			}
		}
		sec.Rows = append(sec.Rows, row)
	}
	for _, err := range missing {
		sec.Rows = append(sec.Rows, &Row{Name: "(skipped)", Samples: samples(len(lines)), Note: err.Error()})
	}
	return sec, nil
}

// timeProgram runs a command line once and checks what it prints.
func timeProgram(ctx context.Context, line []string, want string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(line, " "), err, stderr.String())
	}
	if !strings.Contains(stdout.String(), want) {
		return 0, fmt.Errorf("%s printed %q, which lacks %q", strings.Join(line, " "), stdout.String(), want)
	}
	return took, nil
}

// command is a given path, or the program built from a main package as seen
// from a directory ("" is the bench's own).
func command(ctx context.Context, path, tmp, from, pkg string) (string, error) {
	if path != "" {
		return exec.LookPath(path)
	}
	exe := filepath.Join(tmp, filepath.Base(filepath.Join(from, pkg))+".exe")
	return exe, goBuild(ctx, nil, exe, from, pkg)
}

func goBuild(ctx context.Context, env []string, out, from, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Dir = from
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", filepath.Join(from, pkg), err, msg)
	}
	return nil
}

// programs prepares the guests in dir. What a registry does not give here is
// listed in missing.
func programs(ctx context.Context, dir, root string) (list []program, missing []error, err error) {
	tiny, err := modules.ReadFile("guests/tiny/tiny.wasm")
	if err != nil {
		return nil, nil, err
	}
	tinyPath := filepath.Join(dir, "tiny.wasm")
	if err := os.WriteFile(tinyPath, tiny, 0o644); err != nil {
		return nil, nil, err
	}
	list = append(list, program{name: "tiny hello", bar: "bar 4 ms", wasm: tinyPath, want: "hello"})

	hello := filepath.Join(dir, "hello.wasm")
	if err := goBuild(ctx, []string{"GOOS=wasip1", "GOARCH=wasm"}, hello, "", "github.com/spindle-wasm/spindle/bench/guests/hello"); err != nil {
		return nil, nil, err
	}
	list = append(list, program{name: "Go hello", bar: "bar 100 ms", wasm: hello, want: "hello from Go"})

	esbuild, err := fetch.Esbuild.File(ctx, "esbuild.wasm")
	if errors.Is(err, fetch.ErrUnavailable) {
		return list, []error{err}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	project, err := typescript(dir, root)
	if err != nil {
		return nil, nil, err
	}
	return append(list,
		program{name: "esbuild --version", bar: "bar 0.5 s", wasm: esbuild, args: []string{"--version"}, want: fetch.Esbuild.Version},
		program{name: "esbuild bundle", bar: "5 small files", wasm: esbuild, mount: project,
			args: []string{"--bundle", "src/main.ts", "--platform=node", "--minify"}, want: "Cheap"},
	), nil, nil
}

// typescript copies the real-world tests' project, because mounts are writable.
func typescript(dir, root string) (string, error) {
	from := filepath.Join(root, "internal", "realworld", "testdata", "typescript")
	to := filepath.Join(dir, "typescript")
	return to, os.CopyFS(to, os.DirFS(from))
}

// treeRoot is the directory of the tree that this bench belongs to.
func treeRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/spindle-wasm/spindle").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
