package wasm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
	"github.com/spindle-wasm/spindle/internal/wat"
)

// benchModule returns the file that $SPINDLE_BENCH_WASM names, else a Go program of some megabytes, made with the Go tool.
func benchModule(b *testing.B) []byte {
	file := os.Getenv("SPINDLE_BENCH_WASM")
	if file == "" {
		file = filepath.Join(b.TempDir(), "gofmt.wasm")
		cmd := exec.Command("go", "build", "-o", file, "cmd/gofmt")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Skipf("no Go tool to make a program with: %v\n%s", err, out)
		}
	}
	bin, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return bin
}

var all = wasm.DecodeOptions{Features: wasm.AllFeatures}

func BenchmarkDecode(b *testing.B) {
	bin := benchModule(b)
	b.SetBytes(int64(len(bin)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasm.Decode(bin, all); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkValidate counts bytes of code; decoding is not in its time.
func BenchmarkValidate(b *testing.B) {
	bin := benchModule(b)
	for _, workers := range []struct {
		name string
		n    int
	}{{"one", 1}, {"all", 0}} {
		b.Run(workers.name, func(b *testing.B) {
			ts := wasm.NewTypeSpace()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				m, err := wasm.Decode(bin, all)
				if err != nil {
					b.Fatal(err)
				}
				code := int64(0)
				for _, body := range m.Bodies {
					code += int64(len(body.Code))
				}
				b.SetBytes(code)
				b.StartTimer()
				if err := wasm.Validate(m, ts, wasm.ValidateOptions{Workers: workers.n}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSmall decodes and validates a module of about a kilobyte.
func BenchmarkSmall(b *testing.B) {
	src := "(module (memory 1) (table 4 funcref)"
	for range 20 {
		src += `(func (param i32 i32) (result i32) (local i32)
			(loop (result i32)
				(local.set 2 (i32.add (local.get 2) (i32.load offset=8 (local.get 0))))
				(local.set 0 (i32.add (local.get 0) (i32.const 4)))
				(br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))
				(local.get 2)))`
	}
	bin, err := wat.Assemble([]byte(src+")"), wat.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ts := wasm.NewTypeSpace()
	b.SetBytes(int64(len(bin)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := wasm.Decode(bin, all)
		if err == nil {
			err = wasm.Validate(m, ts, wasm.ValidateOptions{})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
