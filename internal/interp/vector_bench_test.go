package interp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spindle-wasm/spindle/internal/wasm"
)

// BenchmarkVector measures each vector instruction: 32 of them in a row on locals, the time of one reported.
func BenchmarkVector(b *testing.B) {
	for _, o := range vectorOps(b) {
		info := o.Info()
		word := info.Name
		if info.Imm == wasm.ImmLane {
			word += " 1"
		}
		locals, operands := "", ""
		for k, p := range []byte(info.Params) {
			locals += " " + typeWords[p]
			operands += fmt.Sprintf(" (local.get %d)", k+1)
		}
		const count = 32
		b.Run(info.Name, func(b *testing.B) {
			w := newWorld(b, 0)
			inst := w.instance("m", fmt.Sprintf(`(module (func (export "run") (param i32 %s) (local $r %s)
				(loop $again %s (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`,
				locals, typeWords[info.Results[0]], strings.Repeat(fmt.Sprintf("(local.set $r (%s%s))", word, operands), count)))
			args := []uint64{0}
			for k, p := range []byte(info.Params) {
				switch v := uint64(0x3F90_1234_4034_5678) + uint64(k); p {
				case 'v':
					args = append(args, v, v^0x0003_0405_0607_0809)
				case 'i':
					args = append(args, 3)
				default:
					args = append(args, v)
				}
			}
			args[0] = uint64(max(b.N/count, 1))
			b.ResetTimer()
			if _, err := w.call(inst, "run", args...); err != nil {
				b.Fatal(err)
			}
		})
	}
}
