package wasi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing/fstest"

	spindle "github.com/spindle-wasm/spindle"
	"github.com/spindle-wasm/spindle/wasi"
)

// A program with arguments, standard streams and two directories.
func ExampleStart() {
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(`(module
		(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		(memory 1)
		(data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
		(func (export "_start")
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
			(call $exit (i32.const 7))))`))
	if err != nil {
		log.Fatal(err)
	}
	p, err := wasi.Start(ctx, rt, mod, wasi.Config{
		Args:   []string{"hello"},
		Stdin:  strings.NewReader(""),
		Stdout: os.Stdout,
		Mounts: []wasi.Mount{
			{Guest: "/tmp", Mem: wasi.NewMemFS(64 << 20)},
			{Guest: "/static", FS: fstest.MapFS{"index.html": {Data: []byte("<p>")}}},
		},
	}, spindle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	var exit *spindle.ExitError
	if errors.As(p.Wait(ctx), &exit) {
		fmt.Println("exit code", exit.Code)
	}
	// Output:
	// hello
	// exit code 7
}

// A System can be combined with other host modules; this one is as random as its Config says.
func ExampleNew() {
	sys, err := wasi.New(wasi.Config{Random: strings.NewReader("always the same bytes")})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	rt := spindle.NewRuntime()
	defer rt.Close()
	mod, err := rt.CompileText(ctx, []byte(`(module
		(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
		(import "env" "show" (func $show (param i32)))
		(memory 1)
		(func (export "f")
			(drop (call $random (i32.const 0) (i32.const 1)))
			(call $show (i32.load8_u (i32.const 0)))))`))
	if err != nil {
		log.Fatal(err)
	}
	inst, err := rt.Instantiate(ctx, mod, spindle.Config{Imports: spindle.Imports{
		wasi.ModuleName: sys,
		"env":           spindle.HostModule{"show": spindle.Proc1(func(_ *spindle.Caller, c uint32) { fmt.Println(string(rune(c))) })},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer inst.Close()
	if _, err := inst.Call(ctx, "f"); err != nil {
		log.Fatal(err)
	}
	// Output: a
}
