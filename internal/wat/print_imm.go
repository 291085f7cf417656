package wat

import (
	"math"
	"strconv"
	"strings"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// immPrinters has a printer for every kind of immediates of the instruction table that plain instructions have.
var immPrinters = [...]func(p *printer, in *wasm.Instr){
	wasm.ImmLabel: func(p *printer, in *wasm.Instr) { p.label(in.Index) },
	wasm.ImmLabels: func(p *printer, in *wasm.Instr) {
		for _, l := range in.Labels {
			p.label(l)
		}
	},
	wasm.ImmFunc: func(p *printer, in *wasm.Instr) { p.ref(&p.funcs, in.Index) },
	wasm.ImmCallIndirect: func(p *printer, in *wasm.Instr) {
		p.refUnless0(&p.tables, in.Index2)
		p.typeUse(in.Index, nil)
	},
	wasm.ImmType:         func(p *printer, in *wasm.Instr) { p.ref(&p.types, in.Index) },
	wasm.ImmLocal:        func(p *printer, in *wasm.Instr) { p.ref(&p.body.locals, in.Index) },
	wasm.ImmGlobal:       func(p *printer, in *wasm.Instr) { p.ref(&p.globals, in.Index) },
	wasm.ImmTable:        func(p *printer, in *wasm.Instr) { p.refUnless0(&p.tables, in.Index) },
	wasm.ImmTableTable:   func(p *printer, in *wasm.Instr) { p.pairUnless0(&p.tables, in) },
	wasm.ImmElem:         func(p *printer, in *wasm.Instr) { p.ref(&p.elems, in.Index) },
	wasm.ImmMemory:       func(p *printer, in *wasm.Instr) { p.refUnless0(&p.memories, in.Index) },
	wasm.ImmData:         func(p *printer, in *wasm.Instr) { p.ref(&p.datas, in.Index) },
	wasm.ImmMemarg:       (*printer).memarg,
	wasm.ImmTag:          func(p *printer, in *wasm.Instr) { p.ref(&p.tags, in.Index) },
	wasm.ImmFence:        nil,
	wasm.ImmMemoryMemory: func(p *printer, in *wasm.Instr) { p.pairUnless0(&p.memories, in) },
	wasm.ImmElemTable: func(p *printer, in *wasm.Instr) {
		p.refUnless0(&p.tables, in.Index2)
		p.ref(&p.elems, in.Index)
	},
	wasm.ImmDataMemory: func(p *printer, in *wasm.Instr) {
		p.refUnless0(&p.memories, in.Index2)
		p.ref(&p.datas, in.Index)
	},
	wasm.ImmMemargLane: func(p *printer, in *wasm.Instr) {
		p.memarg(in)
		p.number(uint64(in.Lane))
	},
	wasm.ImmLane: func(p *printer, in *wasm.Instr) { p.number(uint64(in.Lane)) },
	wasm.ImmShuffle: func(p *printer, in *wasm.Instr) {
		for i := range 16 {
			half := in.Value
			if i >= 8 {
				half = in.Value2
			}
			p.number(half >> (i % 8 * 8) & 0xFF)
		}
	},
	wasm.ImmI32: func(p *printer, in *wasm.Instr) { p.signed(int64(int32(in.Value))) },
	wasm.ImmI64: func(p *printer, in *wasm.Instr) { p.signed(int64(in.Value)) },
	wasm.ImmF32: func(p *printer, in *wasm.Instr) { p.str(" " + formatFloat(in.Value, 32)) },
	wasm.ImmF64: func(p *printer, in *wasm.Instr) { p.str(" " + formatFloat(in.Value, 64)) },
	wasm.ImmV128: func(p *printer, in *wasm.Instr) {
		p.str(" i32x4")
		for _, v := range [...]uint64{in.Value & math.MaxUint32, in.Value >> 32, in.Value2 & math.MaxUint32, in.Value2 >> 32} {
			hex := strconv.FormatUint(v, 16)
			p.str(" 0x" + strings.Repeat("0", 8-len(hex)) + hex)
		}
	},
	wasm.ImmHeaptype: func(p *printer, in *wasm.Instr) {
		p.str(" ")
		if in.Op == wasm.OpRefNull {
			p.heapType(in.Heap)
		} else {
			p.valType(in.Ref)
		}
	},
	wasm.ImmSelect: func(p *printer, in *wasm.Instr) {
		if len(in.Types) == 0 {
			p.str(" (result)")
		}
		p.results(in.Types)
	},
	wasm.ImmBrOnCast: func(p *printer, in *wasm.Instr) {
		p.label(in.Index)
		p.str(" ")
		p.valType(in.Ref)
		p.str(" ")
		p.valType(in.Ref2)
	},
	wasm.ImmField: func(p *printer, in *wasm.Instr) {
		p.ref(&p.types, in.Index)
		names := p.fields[in.Index]
		p.ref(&names, in.Index2)
	},
	wasm.ImmTypeCount: func(p *printer, in *wasm.Instr) {
		p.ref(&p.types, in.Index)
		p.number(uint64(in.Index2))
	},
	wasm.ImmTypeData: func(p *printer, in *wasm.Instr) {
		p.ref(&p.types, in.Index)
		p.ref(&p.datas, in.Index2)
	},
	wasm.ImmTypeElem: func(p *printer, in *wasm.Instr) {
		p.ref(&p.types, in.Index)
		p.ref(&p.elems, in.Index2)
	},
	wasm.ImmTypeType: func(p *printer, in *wasm.Instr) {
		p.ref(&p.types, in.Index)
		p.ref(&p.types, in.Index2)
	},
}

func (p *printer) number(v uint64) {
	p.str(" ")
	p.num(v)
}

func (p *printer) signed(v int64) {
	p.buf = strconv.AppendInt(append(p.buf[:0], ' '), v, 10)
	p.w.Write(p.buf)
}

// refUnless0 writes an index that the text may leave out if it is 0.
func (p *printer) refUnless0(t *idents, x uint32) {
	if x != 0 {
		p.ref(t, x)
	}
}

func (p *printer) pairUnless0(t *idents, in *wasm.Instr) {
	if in.Index|in.Index2 != 0 {
		p.ref(t, in.Index)
		p.ref(t, in.Index2)
	}
}

func (p *printer) memarg(in *wasm.Instr) {
	p.refUnless0(&p.memories, in.Mem.Memory)
	if in.Mem.Offset != 0 {
		p.str(" offset=")
		p.num(in.Mem.Offset)
	}
	if align := uint64(1) << in.Mem.Align; align != uint64(in.Op.Info().Width) {
		p.str(" align=")
		p.num(align)
	}
}

// formatFloat spells a float so that it reads back bit by bit, with the decimal value of what isn't an integer as a comment.
func formatFloat(bits uint64, width int) string {
	mantissa, f := 52, math.Float64frombits(bits)
	if width == 32 {
		mantissa, f = 23, float64(math.Float32frombits(uint32(bits)))
	}
	sign := ""
	if bits>>(width-1) != 0 {
		sign = "-"
	}
	payload := bits & (1<<mantissa - 1)
	switch {
	case math.IsInf(f, 0):
		return sign + "inf"
	case f != f && payload == 1<<(mantissa-1):
		return sign + "nan"
	case f != f:
		return sign + "nan:0x" + strconv.FormatUint(payload, 16)
	case f == math.Trunc(f) && math.Abs(f) < 1<<24:
		return sign + strconv.FormatFloat(math.Abs(f), 'f', -1, 64)
	}
	hex, exp, _ := strings.Cut(strconv.FormatFloat(f, 'x', -1, width), "p")
	n, _ := strconv.Atoi(exp)
	return hex + "p" + strconv.Itoa(n) + " (;=" + strconv.FormatFloat(f, 'g', -1, width) + ";)"
}
