//go:build cgo && unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf16"

	"github.com/bytecodealliance/wasmtime-go/v39"
)

// The types of internal/gcguests, which another module cannot import.
type call struct {
	Func   string  `json:"func"`
	Args   []int32 `json:"args"`
	Repeat int     `json:"repeat"`
}

type result struct {
	Result  string  `json:"result"`
	Trap    string  `json:"trap"`
	Printed string  `json:"printed"`
	NS      []int64 `json:"ns"`
	CPU     []int64 `json:"cpu"`
	Loaded  int64   `json:"loaded"`
	Peak    int64   `json:"peak"`
}

// processorTime is what this process has used, in nanoseconds.
func processorTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// peak is the largest resident size in KiB, 0 if the system does not tell.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(text, &kib); err != nil {
		return 0
	}
	return kib
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: wasmtime module.wasm")
	}
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		return err
	}
	module, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	cfg := wasmtime.NewConfig()
	cfg.SetWasmReferenceTypes(true)
	cfg.SetWasmFunctionReferences(true)
	cfg.SetWasmGC(true)
	cfg.SetWasmTailCall(true)
	cfg.SetMaxWasmStack(2 << 20)
	start := time.Now()
	engine := wasmtime.NewEngineWithConfig(cfg)
	mod, err := wasmtime.NewModule(engine, module)
	if err != nil {
		return err
	}
	store := wasmtime.NewStore(engine)
	linker := wasmtime.NewLinker(engine)
	var printed []uint16
	if err := linker.FuncWrap("spectest", "print_char", func(c int32) { printed = append(printed, uint16(c)) }); err != nil {
		return err
	}
	inst, err := linker.Instantiate(store, mod)
	if err != nil {
		return err
	}
	loaded := time.Since(start).Nanoseconds()
	var out []result
	for _, c := range calls {
		r := result{Loaded: loaded}
		f := inst.GetFunc(store, c.Func)
		if f == nil {
			return fmt.Errorf("no function %q", c.Func)
		}
		var args []any
		for _, a := range c.Args {
			args = append(args, a)
		}
		for range max(c.Repeat, 1) {
			printed = printed[:0]
			start, cpu := time.Now(), processorTime()
			v, err := f.Call(store, args...)
			r.NS = append(r.NS, time.Since(start).Nanoseconds())
			r.CPU = append(r.CPU, processorTime()-cpu)
			if err != nil {
				r.Trap = err.Error()
			} else if v != nil {
				r.Result = fmt.Sprint(v)
			}
		}
		r.Printed = string(utf16.Decode(printed))
		r.Peak = peak()
		out = append(out, r)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
