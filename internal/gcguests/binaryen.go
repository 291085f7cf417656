package gcguests

import (
	"embed"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

//go:embed binaryen/*.wasm binaryen/*.log
var binaryen embed.FS

// A Random is a module that binaryen's fuzzer has made, with what its interpreter says happens when each export is used in turn.
type Random struct {
	Name   string
	Module []byte
	Log    string
}

// Randoms returns the modules that are checked in.
func Randoms() []Random {
	out, err := RandomsIn(binaryen, "binaryen")
	if err != nil {
		panic(err)
	}
	return out
}

// RandomsIn returns the modules, NAME.wasm with NAME.log, of a directory.
func RandomsIn(dir fs.FS, path string) ([]Random, error) {
	names, err := fs.Glob(dir, path+"/*.wasm")
	if err != nil {
		return nil, err
	}
	var out []Random
	for _, name := range names {
		module, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		log, err := fs.ReadFile(dir, strings.TrimSuffix(name, ".wasm")+".log")
		if err != nil {
			return nil, err
		}
		out = append(out, Random{strings.TrimSuffix(name[len(path)+1:], ".wasm"), module, string(log)})
	}
	return out, nil
}

// An Event is something that happens when a module's exports are used.
type Event struct {
	Kind   EventKind
	Text   string  // an export's name, a trap's class
	Values []Value // what is logged, returned or thrown
}

type EventKind string

const (
	Export    EventKind = "export"    // an export's turn comes
	Log       EventKind = "log"       // a call of a log function, or a global's value
	Result    EventKind = "result"    // a function returns something
	Trapped   EventKind = "trap"      // a call ends so
	Exception EventKind = "exception" // a call ends so
	Refused   EventKind = "refused"   // a function that cannot be called with zeros and nulls
	Failed    EventKind = "failed"    // the module cannot be instantiated; nothing comes after it
)

func (e Event) String() string {
	s := string(e.Kind)
	if e.Text != "" {
		s += " " + e.Text
	}
	for _, v := range e.Values {
		s += " " + v.Text
	}
	return s
}

// A Value is a number or tells what a reference is. Expected values do not know their types.
type Value struct {
	Type wasm.ValType
	Text string
}

// MakeValue describes a value in slot form; ref says what a reference is, if it is not null: "function", "object(null)",
// "i31ref(n)", "extern", "jserror".
func MakeValue(t wasm.ValType, slot uint64, ref func() string) Value {
	v := Value{Type: t}
	switch {
	case t == wasm.I32:
		v.Text = strconv.Itoa(int(int32(slot)))
	case t == wasm.I64:
		v.Text = strconv.FormatInt(int64(slot), 10)
	case t == wasm.F32:
		v.Text = strconv.FormatFloat(float64(math.Float32frombits(uint32(slot))), 'g', -1, 32)
	case t == wasm.F64:
		v.Text = strconv.FormatFloat(math.Float64frombits(slot), 'g', -1, 64)
	case slot == 0:
		v.Text = "null"
	default:
		v.Text = ref()
	}
	return v
}

// matches compares an actual value with an expected one. NaNs are alike: the specification leaves their bits open.
func (v Value) matches(want string) bool {
	if v.Type != wasm.F32 && v.Type != wasm.F64 {
		return v.Text == want
	}
	bits := 64
	if v.Type == wasm.F32 {
		bits = 32
	}
	if strings.Contains(want, "nan") {
		return strings.EqualFold(v.Text, "nan")
	}
	x, err := strconv.ParseFloat(v.Text, bits)
	y, err2 := strconv.ParseFloat(want, bits)
	return err == nil && err2 == nil && x == y && math.Signbit(x) == math.Signbit(y)
}

// Differ compares what happened with what was expected, and returns the first difference, empty if there is none.
func Differ(got, want []Event) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !got[i].is(want[i]) {
			g, w := "nothing more", "nothing more"
			if i < len(got) {
				g = got[i].String()
			}
			if i < len(want) {
				w = want[i].String()
			}
			at := "the start"
			for k := min(i, len(want)) - 1; k >= 0; k-- {
				if want[k].Kind == Export {
					at = want[k].Text
					break
				}
			}
			return fmt.Sprintf("event %d, after %s: %s, want %s", i, at, g, w)
		}
	}
	return ""
}

func (e Event) is(want Event) bool {
	if e.Kind != want.Kind || len(e.Values) != len(want.Values) {
		return false
	}
	// A class that is not known on one side says nothing.
	if e.Text != want.Text && (e.Kind != Trapped || e.Text != "" && want.Text != "") {
		return false
	}
	for i, v := range e.Values {
		if !v.matches(want.Values[i].Text) {
			return false
		}
	}
	return true
}

// trapClasses are the beginnings of binaryen's words for traps. Others have no class.
var trapClasses = []struct{ words, class string }{
	{"unreachable", "unreachable"}, {"null ref", "null"}, {"cast error", "cast"},
	{"final > memory", "memory"}, {"highest > memory", "memory"}, {"out of bounds memory access", "memory"},
	{"out of bounds segment access in memory", "memory"},
	{"out of bounds table access", "table"}, {"RuntimeTable::", "table"}, {"callIndirect: non-subtype", "signature"},
	{"out of bounds array access", "array"}, {"array oob", "array"},
	{"i32.rem_", "arithmetic"}, {"i32.div_", "arithmetic"}, {"i64.rem_", "arithmetic"}, {"i64.div_", "arithmetic"},
	{"truncSFloat", "arithmetic"}, {"truncUFloat", "arithmetic"}, {"i32.trunc", "arithmetic"}, {"i64.trunc", "arithmetic"},
}

// ParseLog reads what wasm-opt --fuzz-exec-before prints.
func ParseLog(log string) ([]Event, error) {
	var out []Event
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		inside := strings.TrimSuffix(line, "]")
		if text, ok := strings.CutPrefix(line, "[fuzz-exec] export "); ok {
			out = append(out, Event{Kind: Export, Text: text})
		} else if text, ok := strings.CutPrefix(inside, "[LoggingExternalInterface logging "); ok {
			out = append(out, Event{Kind: Log, Values: expected(text)})
		} else if text, ok := strings.CutPrefix(line, "[fuzz-exec] note result: "); ok {
			_, text, _ = strings.Cut(text, " => ")
			e := Event{Kind: Result, Values: expected(text)}
			// Further results stand on lines of their own.
			for i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "[") {
				i++
				e.Values = append(e.Values, expected(lines[i])...)
			}
			out = append(out, e)
		} else if strings.HasPrefix(line, "[trap fuzzer can only send defaultable parameters") {
			out = append(out, Event{Kind: Refused})
		} else if text, ok := strings.CutPrefix(inside, "[trap "); ok {
			e := Event{Kind: Trapped}
			for _, c := range trapClasses {
				if strings.HasPrefix(text, c.words) {
					e.Text = c.class
				}
			}
			out = append(out, e)
		} else if line == "[exception thrown: failed to instantiate module]" {
			continue
		} else if text, ok := strings.CutPrefix(inside, "[exception thrown: "); ok {
			_, text, _ = strings.Cut(text, " ") // the tag's name
			out = append(out, Event{Kind: Exception, Values: expected(text)})
		} else {
			return nil, fmt.Errorf("line %d: %q", i+1, line)
		}
	}
	// Some failures are said to be ones, some not.
	if len(out) == 1 && out[0].Kind == Trapped {
		out = append(out, Event{Kind: Failed})
	}
	return out, nil
}

func expected(text string) (out []Value) {
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "externref(") { // an imported global
			word = "extern"
		}
		out = append(out, Value{Text: word})
	}
	return out
}
