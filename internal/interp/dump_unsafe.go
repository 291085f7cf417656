package interp

import (
	"fmt"
	"strings"
	"unsafe"
)

// Dump returns the code of a defined function as text, one instruction a line: index, operation, a, b, c, imm. Entry
// instructions have no index. The code is made anew, so that it can be asked for at any time.
func (c *Code) Dump(fn uint32) (string, error) {
	l := c.engine.lowerer()
	defer c.engine.done(l)
	if err := l.run(c, fn); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "func %d: header %d, operands from %d, %d slots\n", fn, l.header, l.base, l.maxTop)
	for _, in := range l.entry(nil) {
		fmt.Fprintf(&b, "      %s\n", c.text(in))
	}
	data := 0 // instructions that hold a table's offsets
	for i, in := range l.code {
		if data > 0 {
			data--
			fmt.Fprintf(&b, "%4d  · %d %d %d %d\n", i, in.lane(0), in.lane(1), in.lane(2), in.lane(3))
			continue
		}
		fmt.Fprintf(&b, "%4d  %s\n", i, c.text(in))
		data = in.tableSize()
	}
	for _, r := range l.regions {
		fmt.Fprintf(&b, "try [%d, %d)", r.start, r.end)
		for _, k := range r.catches {
			fmt.Fprintf(&b, " kind %d tag %d: slot %d, at %d;", k.kind, k.tag, k.slot, k.target)
		}
		b.WriteByte('\n')
	}
	for _, r := range l.refs {
		fmt.Fprintf(&b, "locals %d+%d: %v\n", r.slot, r.n, r.typ)
	}
	for _, m := range l.maps {
		fmt.Fprintf(&b, "live %s %d:", [...]string{"before", "during"}[m.key&1], m.key>>1)
		for _, s := range m.slots {
			fmt.Fprintf(&b, " %d", s.slot)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// text formats an instruction without addresses.
func (c *Code) text(in Instr) string {
	switch in.op {
	case opCall, opCallK, opCallM, opTailCall:
		fn := c.m.NumImportedFuncs + int(uintptr(in.imm)-addrOf(&c.descs[0]))/int(unsafe.Sizeof(funcCode{}))
		return fmt.Sprintf("%-18s %3d %3d %3d  func %d", in.op, in.a, in.b, in.c, fn)
	}
	return in.String()
}
