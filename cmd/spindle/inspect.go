package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

func newInspect(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:                   "inspect [flags] MODULE",
		DisableFlagsInUseLine: true,
		Short:                 "Show what a module is made of",
		Long: `Show a module's imports, exports, the features that it uses, and how large its sections and
its code are. The module (.wasm, or .wat text; "-" reads standard input) must be valid.`,
		Example: `  spindle inspect app.wasm
  spindle inspect --json app.wasm | jq '.imports[].module' | sort -u`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := a.load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			done := a.working("reading", f)
			var m *wasm.Module
			if _, err = f.binary(); err == nil {
				m, err = decode(f, true)
			}
			done()
			if err != nil {
				return err
			}
			r := newReport(f.name, m)
			if !asJSON {
				r.print(a.out)
				return nil
			}
			enc := json.NewEncoder(a.out)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(r)
		},
	}
	fileArgs(cmd, oneFile, "wasm", "wat")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// report is what inspect tells. Its JSON form is for programs: fields may be added to it, not taken away.
type report struct {
	File     string        `json:"file"`
	Name     string        `json:"name,omitempty"`
	Size     int           `json:"size"`
	Features []string      `json:"features"`
	Start    string        `json:"start,omitempty"`
	Imports  []entity      `json:"imports"`
	Exports  []entity      `json:"exports"`
	Counts   counts        `json:"counts"`
	Code     codeSizes     `json:"code"`
	Sections []sectionSize `json:"sections"`
}

// entity is an import or export.
type entity struct {
	Module string `json:"module,omitempty"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Type   string `json:"type"`
}

// counts are of what the module defines or declares; imports do not count.
type counts struct {
	Types    int `json:"types"`
	Funcs    int `json:"funcs"`
	Tables   int `json:"tables"`
	Memories int `json:"memories"`
	Globals  int `json:"globals"`
	Tags     int `json:"tags"`
	Elems    int `json:"elems"`
	Datas    int `json:"datas"`
}

// codeSizes are in bytes of function bodies.
type codeSizes struct {
	Bytes   int        `json:"bytes"`
	Largest []funcSize `json:"largest"`
}

type funcSize struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

type sectionSize struct {
	Name   string `json:"name"`
	Offset int    `json:"offset"` // of the contents
	Bytes  int    `json:"bytes"`
}

const largestFuncs = 5

func newReport(file string, m *wasm.Module) *report {
	r := &report{
		File: file, Name: m.Names().Module, Size: len(m.Bytes),
		Features: append([]string{}, m.Used.Names()...), Imports: []entity{}, Exports: []entity{},
		Counts: counts{
			Types: len(m.Types), Funcs: len(m.Bodies), Tables: len(m.Tables) - m.NumImportedTables, Memories: len(m.Memories) - m.NumImportedMemories,
			Globals: len(m.Globals) - m.NumImportedGlobals, Tags: len(m.Tags) - m.NumImportedTags, Elems: len(m.Elems), Datas: len(m.Datas),
		},
		Sections: sections(m.Bytes),
	}
	if m.Start >= 0 {
		r.Start = m.FuncName(uint32(m.Start))
	}
	var at [5]uint32 // next index of each kind: imports come first in their index spaces
	for _, im := range m.Imports {
		r.Imports = append(r.Imports, entity{im.Module, im.Name, im.Kind.String(), typeOf(m, im.Kind, at[im.Kind])})
		at[im.Kind]++
	}
	for _, e := range m.Exports {
		r.Exports = append(r.Exports, entity{"", e.Name, e.Kind.String(), typeOf(m, e.Kind, e.Index)})
	}
	r.Code.Largest = []funcSize{}
	for i := range m.Bodies {
		n, fn := len(m.Bodies[i].Code), m.NumImportedFuncs+i
		r.Code.Bytes += n
		at := len(r.Code.Largest)
		for at > 0 && r.Code.Largest[at-1].Bytes < n {
			at--
		}
		if at >= largestFuncs {
			continue
		}
		r.Code.Largest = append(r.Code.Largest, funcSize{})
		copy(r.Code.Largest[at+1:], r.Code.Largest[at:])
		r.Code.Largest[at] = funcSize{fn, m.FuncName(uint32(fn)), n}
		r.Code.Largest = r.Code.Largest[:min(len(r.Code.Largest), largestFuncs)]
	}
	return r
}

// typeOf spells the type of an entity of an index space.
func typeOf(m *wasm.Module, kind wasm.ExternKind, i uint32) string {
	switch kind {
	case wasm.ExternFunc:
		return formatFuncType(m.FuncType(i))
	case wasm.ExternTable:
		t := m.Tables[i].Type
		return formatLimits(t.Limits) + " " + t.Elem.String()
	case wasm.ExternMemory:
		t := m.Memories[i]
		s := formatLimits(t.Limits) + " pages"
		if t.Shared {
			s += ", shared"
		}
		return s
	case wasm.ExternGlobal:
		t := m.Globals[i].Type
		if t.Mutable {
			return "mut " + t.Type.String()
		}
		return t.Type.String()
	}
	return formatFuncType(m.TagFuncType(i))
}

func formatLimits(l wasm.Limits) string {
	s := strconv.FormatUint(l.Min, 10) + ".."
	if l.HasMax {
		s += strconv.FormatUint(l.Max, 10)
	}
	if l.Is64 {
		return "i64 " + s
	}
	return s
}

var sectionNames = [...]string{
	wasm.SectionCustom: "custom", wasm.SectionType: "type", wasm.SectionImport: "import", wasm.SectionFunction: "function",
	wasm.SectionTable: "table", wasm.SectionMemory: "memory", wasm.SectionGlobal: "global", wasm.SectionExport: "export",
	wasm.SectionStart: "start", wasm.SectionElement: "element", wasm.SectionCode: "code", wasm.SectionData: "data",
	wasm.SectionDataCount: "data count", wasm.SectionTag: "tag",
}

// sections lists the sections of a well-formed module.
func sections(b []byte) []sectionSize {
	out := []sectionSize{}
	for at := 8; at < len(b); {
		id := b[at]
		size, n := binary.Uvarint(b[at+1:])
		start := at + 1 + n
		if n <= 0 || size > uint64(len(b)-start) {
			break
		}
		end := start + int(size)
		name := strconv.Itoa(int(id))
		if int(id) < len(sectionNames) {
			name = sectionNames[id]
		}
		if id == byte(wasm.SectionCustom) {
			if l, k := binary.Uvarint(b[start:end]); k > 0 && l <= uint64(end-start-k) {
				name += " " + strconv.Quote(string(b[start+k:start+k+int(l)]))
			}
		}
		out = append(out, sectionSize{name, start, int(size)})
		at = end
	}
	return out
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s (%d bytes)\n", printable([]byte(r.File)), formatSize(uint64(r.Size)), r.Size)
	if r.Name != "" {
		fmt.Fprintf(w, "name: %s\n", printable([]byte(r.Name)))
	}
	features := joinWords(r.Features)
	if features == "" {
		features = "none beyond WebAssembly 1.0"
	}
	fmt.Fprintf(w, "features: %s\n", features)
	if r.Start != "" {
		fmt.Fprintf(w, "start function: %s\n", printable([]byte(r.Start)))
	}
	r.printEntities(w, "imports", r.Imports)
	r.printEntities(w, "exports", r.Exports)
	c := r.Counts
	heading := "\ndefines:\n"
	for _, n := range []struct {
		what string
		n    int
	}{
		{"types", c.Types}, {"functions", c.Funcs}, {"tables", c.Tables}, {"memories", c.Memories}, {"globals", c.Globals},
		{"tags", c.Tags}, {"element segments", c.Elems}, {"data segments", c.Datas},
	} {
		if n.n > 0 {
			fmt.Fprintf(w, "%s  %-16s %9d\n", heading, n.what, n.n)
			heading = ""
		}
	}
	heading = "\nsections:\n"
	width := 16
	for _, s := range r.Sections {
		width = max(width, min(len(s.Name), 40))
	}
	for _, s := range r.Sections {
		fmt.Fprintf(w, "%s  %-*s %9d bytes at %#x\n", heading, width, s.Name, s.Bytes, s.Offset)
		heading = ""
	}
	if len(r.Code.Largest) > 0 {
		fmt.Fprintf(w, "\ncode: %d bytes of instructions in %d functions; the largest:\n", r.Code.Bytes, r.Counts.Funcs)
		for _, f := range r.Code.Largest {
			fmt.Fprintf(w, "  %9d bytes  %s (index %d)\n", f.Bytes, printable([]byte(f.Name)), f.Index)
		}
	}
}

func (r *report) printEntities(w io.Writer, what string, list []entity) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", what)
	width := 0
	for _, e := range list {
		width = max(width, utf8.RuneCountInString(e.title()))
	}
	for _, e := range list {
		fmt.Fprintf(w, "  %-6s %-*s  %s\n", e.Kind, min(width, 50), e.title(), e.Type)
	}
}

func (e entity) title() string {
	if e.Module == "" {
		return printable([]byte(e.Name))
	}
	return printable([]byte(strings.Join([]string{e.Module, e.Name}, " ")))
}
