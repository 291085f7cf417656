package wat

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

var update = flag.Bool("update", false, "write what the tests got into the golden files")

// goldens runs every case of the golden files that match pattern. A case is an input, a line "----", what f makes of it, and a line
// "====". Lines before an input that begin with "#" are remarks.
func goldens(t *testing.T, pattern string, f func(in []byte) string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			cases := strings.Split(string(text), "\n====\n")
			for i, c := range cases {
				c = strings.Trim(c, "\n")
				if strings.TrimSpace(c) == "" {
					continue
				}
				in, want, ok := strings.Cut(c, "\n----")
				want = strings.TrimPrefix(want, "\n")
				if !ok && !*update {
					t.Fatalf("case %d has no result: run with -update", i)
				}
				src := in
				for strings.HasPrefix(src, "#") {
					_, src, _ = strings.Cut(src, "\n")
				}
				got := strings.TrimRight(f([]byte(src)), "\n")
				if got != want && !*update {
					t.Errorf("%s, case %d\n%s\n---- got\n%s\n---- want\n%s", file, i, in, got, want)
				}
				fmt.Fprintf(&out, "%s\n----\n%s\n====\n", in, got)
			}
			if *update {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestErrors pins messages and positions.
func TestErrors(t *testing.T) {
	goldens(t, "errors*.txt", func(in []byte) string {
		_, err := Assemble(in, Options{})
		if err == nil {
			return "ok"
		}
		return err.Error()
	})
}

// TestBinary pins encodings: one line per section, id, then content.
func TestBinary(t *testing.T) {
	goldens(t, "binary*.txt", func(in []byte) string {
		bin, err := Assemble(in, Options{})
		if err != nil {
			return err.Error()
		}
		var out strings.Builder
		for b := bin[8:]; len(b) > 0; {
			size, n := uvarint(b[1:])
			fmt.Fprintf(&out, "%2d: % x\n", b[0], b[1+n:1+n+size])
			b = b[1+n+size:]
		}
		return out.String()
	})
}

func uvarint(b []byte) (v, n int) {
	for shift := 0; ; shift += 7 {
		c := b[n]
		v |= int(c&0x7f) << shift
		n++
		if c < 0x80 {
			return v, n
		}
	}
}

// TestPrint pins the printer's layout.
func TestPrint(t *testing.T) {
	goldens(t, "print*.txt", func(in []byte) string {
		bin, err := Assemble(in, Options{})
		if err != nil {
			return err.Error()
		}
		m, err := wasm.Decode(bin, wasm.DecodeOptions{Features: wasm.AllFeatures})
		if err != nil {
			return err.Error()
		}
		roundTrip(t, m)
		var b bytes.Buffer
		if err := Print(&b, m, PrintOptions{}); err != nil {
			return err.Error()
		}
		return b.String()
	})
}

// TestScripts pins how commands are read.
func TestScripts(t *testing.T) {
	goldens(t, "script*.txt", func(in []byte) string {
		s, err := ParseScript(in)
		if err != nil {
			return err.Error()
		}
		var out strings.Builder
		dumpCommands(&out, s.Commands, "")
		return out.String()
	})
}

func dumpCommands(out *strings.Builder, cmds []Command, indent string) {
	for _, c := range cmds {
		fmt.Fprintf(out, "%s%v %v name=%q of=%q as=%q message=%q shared=%q\n", indent, c.Pos, c.Kind, c.Name, c.Of, c.As, c.Message, c.Shared)
		if m := c.Module; m != nil {
			bin, err := m.Assemble(Options{})
			fmt.Fprintf(out, "%s  module %v kind=%d name=%q definition=%v bytes=%x err=%v\n", indent, m.Pos, m.Kind, m.Name, m.Definition, bin, err)
		}
		if a := c.Action; a != nil {
			fmt.Fprintf(out, "%s  action %v kind=%d module=%q field=%q\n", indent, a.Pos, a.Kind, a.Module, a.Field)
			for _, v := range a.Args {
				fmt.Fprintf(out, "%s    arg %s\n", indent, dumpValue(v))
			}
		}
		for _, r := range c.Results {
			fmt.Fprintf(out, "%s  result %s\n", indent, dumpResult(r))
		}
		dumpCommands(out, c.Body, indent+"  ")
	}
}

func dumpValue(v Value) string { return fmt.Sprintf("%v %#x %#x", v.Type, v.Bits, v.High) }

func dumpResult(r Result) string {
	switch r.Kind {
	case ResultNaN:
		return fmt.Sprintf("%v nan %v %d", r.Pos, r.Value.Type, r.NaN)
	case ResultNull:
		return fmt.Sprintf("%v null", r.Pos)
	case ResultRef:
		return fmt.Sprintf("%v ref %v", r.Pos, r.Heap)
	case ResultEither:
		s := fmt.Sprintf("%v either", r.Pos)
		for _, e := range r.Either {
			s += " [" + dumpResult(e) + "]"
		}
		return s
	}
	s := fmt.Sprintf("%v value %s", r.Pos, dumpValue(r.Value))
	for _, l := range r.Lanes {
		s += fmt.Sprintf(" %d:%#x", l.NaN, l.Bits)
	}
	return s
}
