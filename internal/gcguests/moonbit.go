package gcguests

import (
	"embed"
	"strings"
	"unicode/utf16"
)

//go:embed moonbit/*.wasm moonbit/*.expected
var moonbit embed.FS

// A MoonBit program imports spectest.print_char, a function that takes a UTF-16 unit as an i32, and exports _start.
type MoonBit struct {
	Name     string
	Module   []byte
	Expected string // what it prints
}

// MoonBitPrograms returns all of them.
func MoonBitPrograms() []MoonBit {
	var out []MoonBit
	for _, name := range []string{"hello", "bench", "json", "lru", "search", "words"} {
		module, err := moonbit.ReadFile("moonbit/" + name + ".wasm")
		if err != nil {
			panic(err)
		}
		expected, err := moonbit.ReadFile("moonbit/" + name + ".expected")
		if err != nil {
			panic(err)
		}
		out = append(out, MoonBit{name, module, string(expected)})
	}
	return out
}

// A Printer collects what print_char is given.
type Printer struct{ units []uint16 }

// Print is print_char.
func (p *Printer) Print(c uint32) { p.units = append(p.units, uint16(c)) }

func (p *Printer) String() string {
	var b strings.Builder
	for _, r := range utf16.Decode(p.units) {
		b.WriteRune(r)
	}
	return b.String()
}
