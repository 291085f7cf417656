// Command gen writes run_generated.go (the dispatch loop) and ops_generated.go (the numbering) of package interp.
//
// # How to add instructions
//
//  1. Put a row in one of the ops_*.go files here: hot("Name", "body"), or cold("Name") for one that the driver serves in Go.
//     The body is Go text with the macros below; the generator appends "pc += one instruction; continue" to it. A body
//     must compile to code without any CALL: no function that is not inlined to a few instructions, no slices, no unproven division
//     (test the divisor first), no math.Floor and the like, no bits.OnesCount. The loop's test finds what slips through.
//  2. go generate ./internal/interp
//  3. Put a row in a rules_*.go file of package interp that maps the Wasm instruction to it (see rules.go: most are
//     `{wasm.OpX, rule{simple, opX, ...}}`).
//
// # Macros
//
//	$a $b $c          the slot that the field names, as uint64; also on the left of an assignment. a is the destination by convention
//	$d $e $f $g       likewise, the slot number being the 1st to 4th 16-bit part of imm
//	$a.u32 .i32 .i64 .f32 .f64   the slot read as that type (assign to 32-bit halves of a slot never: write the whole slot, zero-extended)
//	$a.hi             the slot after it, as uint64: the high half of a v128
//	$a.n              the slot number itself, as uintptr
//	$a.ptr            the slot's address
//	$imm              imm as uint64; $imm.lo $imm.hi its halves as uint32, $imm.i32 and $imm.rel the halves as int32, $imm.i64 $imm.f32 $imm.f64
//	$ea(SIZE)         bounds check: declares ea (uint64), the offset of the access in the current memory: slot $b plus imm.lo; leaves if it
//	                  is out of bounds
//	$eaa(SIZE)        the same with the address in slot $a (stores)
//	$eak(SIZE) $eaak(SIZE)  the same where the address is the slot plus imm.hi, as a 32-bit sum; the rule then has fold set
//	$mem              the current memory's base; memory access is *(*T)(unsafe.Add($mem, ea))
//	$trap(Name)       leaves with vm.TrapName at this instruction
//	$jump             goes to the branch target (imm.rel bytes from here)
//	$loop             the same for a backward branch: polls the safepoint word
//	$f32(expr)        a float32 expression as the content of a slot
//
// A body reads all its sources before it writes its destination: they may be the same slots.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// op is one instruction of the interpreter.
type op struct{ name, body string }

var hotOps, coldOps []op

func hot(name, body string, args ...string) {
	r := strings.NewReplacer(args...)
	hotOps = append(hotOps, op{name, r.Replace(body)})
}

func cold(names ...string) {
	for _, n := range names {
		coldOps = append(coldOps, op{name: n})
	}
}

var fields = map[string]string{
	"a": "unsafe.Add(pc, 2)", "b": "unsafe.Add(pc, 4)", "c": "unsafe.Add(pc, 6)",
	"d": "unsafe.Add(pc, 8)", "e": "unsafe.Add(pc, 10)", "f": "unsafe.Add(pc, 12)", "g": "unsafe.Add(pc, 14)",
}

var slotTypes = map[string]string{"": "uint64", "u32": "uint32", "i32": "int32", "i64": "int64", "f32": "float32", "f64": "float64"}

var immForms = map[string]string{
	"": "*(*uint64)(unsafe.Add(pc, 8))", "i64": "*(*int64)(unsafe.Add(pc, 8))", "f64": "*(*float64)(unsafe.Add(pc, 8))",
	"f32": "*(*float32)(unsafe.Add(pc, 8))",
	"lo":  "*(*uint32)(unsafe.Add(pc, 8))", "i32": "*(*int32)(unsafe.Add(pc, 8))",
	"hi": "*(*uint32)(unsafe.Add(pc, 12))", "rel": "*(*int32)(unsafe.Add(pc, 12))",
}

var (
	macroSlot = regexp.MustCompile(`\$([abcdefg])(?:\.(u32|i32|i64|f32|f64|hi|ptr|n)\b)?(?:\b|$)`)
	macroImm  = regexp.MustCompile(`\$imm(?:\.(lo|hi|i32|rel|i64|f32|f64)\b)?`)
	macroEA   = regexp.MustCompile(`\$ea(a?)(k?)\((\d+)\)`)
	macroTrap = regexp.MustCompile(`\$trap\((\w+)\)`)
)

// traps maps the names used in bodies to labels; filled by expand so that only labels in use are written.
var traps = map[string]bool{}

func expand(body string) string {
	body = macroEA.ReplaceAllStringFunc(body, func(s string) string {
		m := macroEA.FindStringSubmatch(s)
		field := "$b"
		if m[1] == "a" {
			field = "$a"
		}
		base := field + ".u32"
		if m[2] != "" {
			base += " + $imm.hi"
		}
		return fmt.Sprintf("ea := uint64(%s) + uint64($imm.lo)\nif ea+%s > mlen {\n goto outOfBounds\n}\n", base, m[3])
	})
	body = strings.ReplaceAll(body, "$mem", "mem")
	body = strings.ReplaceAll(body, "$jump", "pc = unsafe.Add(pc, $imm.rel)\ncontinue")
	body = strings.ReplaceAll(body, "$loop", "pc = unsafe.Add(pc, $imm.rel)\nif ctx.FlagPlain() != 0 {\n goto poll\n}\ncontinue")
	body = replaceF32(body)
	body = macroTrap.ReplaceAllStringFunc(body, func(s string) string {
		n := macroTrap.FindStringSubmatch(s)[1]
		traps[n] = true
		return "goto trap" + n
	})
	body = macroImm.ReplaceAllStringFunc(body, func(s string) string { return immForms[macroImm.FindStringSubmatch(s)[1]] })
	return macroSlot.ReplaceAllStringFunc(body, func(s string) string {
		m := macroSlot.FindStringSubmatch(s)
		idx := "*(*uint16)(" + fields[m[1]] + ")"
		switch m[2] {
		case "n":
			return "uintptr(" + idx + ")"
		case "ptr":
			return "unsafe.Add(fp, uintptr(" + idx + ")*8)"
		case "hi":
			return "*(*uint64)(unsafe.Add(fp, uintptr(" + idx + ")*8+8))"
		}
		return "*(*" + slotTypes[m[2]] + ")(unsafe.Add(fp, uintptr(" + idx + ")*8))"
	})
}

// replaceF32 expands $f32(expr), whose argument may contain parentheses.
func replaceF32(s string) string {
	for {
		i := strings.Index(s, "$f32(")
		if i < 0 {
			return s
		}
		depth, j := 1, i+5
		for ; depth > 0; j++ {
			switch s[j] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		s = s[:i] + "uint64(math.Float32bits(" + s[i+5:j-1] + "))" + s[j:]
	}
}

func main() {
	log.SetFlags(0)
	dir := flag.String("dir", ".", "directory to write to")
	flag.Parse()
	control()
	moves()
	calls()
	integers()
	floats()
	conversions()
	memory()
	references()
	objects()
	fused()
	pairs()
	stackPointers()
	vectors()
	atomics()
	coldInstructions()
	write(filepath.Join(*dir, "ops_generated.go"), numbering())
	write(filepath.Join(*dir, "run_generated.go"), loop())
}

const banner = "// Code generated by internal/interp/gen. DO NOT EDIT.\n\npackage interp\n\n"

func numbering() string {
	var b bytes.Buffer
	b.WriteString(banner + "// Hot instructions first: the dispatch loop runs those; the others leave it for the driver.\nconst (\n")
	seen := map[string]bool{}
	for i, o := range append(append([]op(nil), hotOps...), coldOps...) {
		if seen[o.name] {
			log.Fatalf("instruction %s is there twice", o.name)
		}
		seen[o.name] = true
		if i == 0 {
			fmt.Fprintf(&b, "\top%s op = iota\n", o.name)
			continue
		}
		fmt.Fprintf(&b, "\top%s\n", o.name)
	}
	b.WriteString("\n\tnumOps\n)\n\nvar opNames = [numOps]string{\n")
	for _, o := range append(append([]op(nil), hotOps...), coldOps...) {
		fmt.Fprintf(&b, "\t%q,\n", o.name)
	}
	b.WriteString("}\n\n// jumps are the instructions that branch forwards, by imm.rel.\nvar jumps = [numOps]bool{\n")
	for _, o := range hotOps {
		if strings.Contains(o.body, "$jump") {
			fmt.Fprintf(&b, "\top%s: true,\n", o.name)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func loop() string {
	var b bytes.Buffer
	b.WriteString(banner + `import (
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/spindle-wasm/spindle/internal/vm"
)

// run executes guest code from pc until something needs the driver. It must stay frameless: see the package doc.
//
//go:norace
//go:nocheckptr
func run(ctx *vm.Context, pc unsafe.Pointer, _ uint64, fp, mem unsafe.Pointer, mlen uint64) exit {
	for {
		switch *(*op)(pc) {
`)
	for _, o := range hotOps {
		body := expand(strings.TrimSpace(o.body))
		fmt.Fprintf(&b, "case op%s:\n%s\n", o.name, body)
		last := strings.TrimSpace(body[strings.LastIndexByte(body, '\n')+1:])
		if !strings.HasPrefix(last, "continue") && !strings.HasPrefix(last, "goto ") {
			b.WriteString("pc = unsafe.Add(pc, 16)\n")
		}
	}
	b.WriteString("default:\ngoto cold\n}\n}\n" + exits)
	for _, t := range []string{"Unreachable", "IntegerDivideByZero", "IntegerOverflow", "InvalidConversion", "NullReference", "NullI31", "UnalignedAtomic",
		"NullStructure", "NullArray", "ArrayOutOfBounds", "CastFailure"} {
		if traps[t] {
			fmt.Fprintf(&b, "trap%[1]s:\nctx.PC, ctx.FP = uintptr(pc), uintptr(fp)\nreturn exitTrap + exit(vm.Trap%[1]s)\n", t)
			delete(traps, t)
		}
	}
	for t := range traps {
		log.Fatalf("no label for trap %s", t)
	}
	b.WriteString("}\n")
	return b.String()
}

const exits = `cold:
ctx.PC, ctx.FP = uintptr(pc), uintptr(fp)
return exitCold
poll:
ctx.PC, ctx.FP = uintptr(pc), uintptr(fp)
return exitPoll
stackLimit:
ctx.PC, ctx.FP = uintptr(pc), uintptr(fp)
return exitStack
outOfBounds:
ctx.PC, ctx.FP, ctx.Arg = uintptr(pc), uintptr(fp), mlen
return exitBounds
`

func write(name, text string) {
	out, err := format.Source([]byte(text))
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	if err := os.WriteFile(name, out, 0o644); err != nil {
		log.Fatal(err)
	}
}
