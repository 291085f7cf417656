package wasi

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	spindle "github.com/spindle-wasm/spindle"
)

func TestZZRun(t *testing.T) {
	f := os.Getenv("ZZ")
	if f == "" {
		t.Skip()
	}
	b, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.Compile(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	pwd := os.Getenv("ZZPWD")
	p, err := Start(context.Background(), rt, mod, Config{
		Args: strings.Fields(f + " " + os.Getenv("ZZARGS")), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env:    []string{"PWD=" + pwd, "PATH=" + os.Getenv("PATH"), "TMPDIR=/tmp", "GOROOT=" + os.Getenv("ZZGOROOT")},
		Mounts: []Mount{{Guest: "/", Host: "/"}},
	}, spindle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Wait(context.Background())
	var x *spindle.ExitError
	if errors.As(err, &x) {
		t.Fatalf("exit %d", x.Code)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
