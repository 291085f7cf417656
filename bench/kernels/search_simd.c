// SIMD: counts and finds bytes in a 64 KiB text with i8x16 compares and
// bitmasks, and swaps the letter case on the way. n passes.
#include "kernel.h"
#include <wasm_simd128.h>

enum { LEN = 1 << 16 };
static u8 text[LEN];

EXPORT("run") i64 run(i32 n) {
  u64 seed = 23, sum = MIX_START;
  for (int i = 0; i < LEN; i++)
    text[i] = (u8)(' ' + (rng_next(&seed) >> 57) % 95);
  for (i32 k = 0; k < n; k++) {
    v128_t needle = wasm_i8x16_splat((i8)(' ' + k % 95));
    u32 count = 0, lastpos = 0;
    for (int i = 0; i < LEN; i += 16) {
      v128_t v = wasm_v128_load(text + i);
      v128_t eq = wasm_i8x16_eq(v, needle);
      if (wasm_v128_any_true(eq)) {
        u32 bits = wasm_i8x16_bitmask(eq);
        count += (u32)__builtin_popcount(bits);
        lastpos = (u32)i + (31u - (u32)__builtin_clz(bits));
      }
      v128_t folded = wasm_v128_or(v, wasm_i8x16_splat(0x20));
      v128_t alpha = wasm_v128_and(wasm_u8x16_ge(folded, wasm_i8x16_splat('a')), wasm_u8x16_le(folded, wasm_i8x16_splat('z')));
      wasm_v128_store(text + i, wasm_v128_xor(v, wasm_v128_and(alpha, wasm_i8x16_splat(0x20))));
    }
    sum = mix(mix(sum, count), lastpos);
  }
  return (i64)sum;
}
