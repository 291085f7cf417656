package interp

import "github.com/spindle-wasm/spindle/internal/vm"

func init() { handlers[opShuffleFar] = shuffleFar }

// shuffleFar is i8x16.shuffle in a huge frame; see lowerShuffle.
func shuffleFar(t *vm.Thread, in *Instr) error {
	x, y := slotsAt(t.Ctx.FP+uintptr(in.b)*8, 2), slotsAt(t.Ctx.FP+uintptr(in.c)*8, 2)
	from := [2][16]byte{vectorBytes(x[0], x[1]), vectorBytes(y[0], y[1])}
	var result [2]uint64
	for i, p := range vectorBytes(in.imm, instrAt(t.Ctx.PC+instrSize).imm) {
		result[i/8] |= uint64(from[p/16][p%16]) << (i % 8 * 8)
	}
	copy(slotsAt(t.Ctx.FP+uintptr(in.a)*8, 2), result[:])
	t.Ctx.PC += 2 * instrSize
	return nil
}
