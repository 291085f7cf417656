package vm

import (
	"math"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// Tag is an exception tag; its identity is that of the Go object.
type Tag struct {
	Type  wasm.TypeID
	Func  wasm.FuncType // params are the exception's fields; canonical
	slots int

	module *wasm.Module // that defines it, nil for the host's
	index  uint32
}

// NewTag makes a tag with a new identity.
func NewTag(id wasm.TypeID, ft wasm.FuncType) *Tag {
	return &Tag{Type: id, Func: ft, slots: countSlots(ft.Params)}
}

// Slots is the number of slots that the tag's fields take.
func (t *Tag) Slots() int { return t.slots }

// Name returns the tag's name in its module: that of the name section, otherwise of an export; empty if there is none.
func (t *Tag) Name() string {
	if t.module == nil {
		return ""
	}
	if n := t.module.Names().Tags[t.index]; n != "" {
		return n
	}
	for i := range t.module.Exports {
		if e := &t.module.Exports[i]; e.Kind == wasm.ExternTag && e.Index == t.index {
			return e.Name
		}
	}
	return ""
}

// Format writes an exception of the tag for people: its name, and its fields with their types.
func (t *Tag) Format(fields []uint64) string {
	var b strings.Builder
	b.WriteString(t.Name())
	b.WriteByte('(')
	for i, p := range t.Func.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String() + " " + formatValue(p, fields))
		fields = fields[p.Slots():]
	}
	b.WriteByte(')')
	return b.String()
}

func formatValue(t wasm.ValType, slots []uint64) string {
	v := slots[0]
	switch {
	case t == wasm.I32:
		return strconv.FormatInt(int64(int32(v)), 10)
	case t == wasm.I64:
		return strconv.FormatInt(int64(v), 10)
	case t == wasm.F32:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(v))), 'g', -1, 32)
	case t == wasm.F64:
		return strconv.FormatFloat(math.Float64frombits(v), 'g', -1, 64)
	case t == wasm.V128:
		return "0x" + strconv.FormatUint(slots[1], 16) + ":" + strconv.FormatUint(v, 16)
	case Ref(v) == NullRef:
		return "null"
	}
	return "reference"
}
