// SIMD: a 3 by 3 box blur of a 256 by 128 grey picture, 16 pixels at a time:
// u8 pixels widened to u16x8, summed, scaled, narrowed back. n passes.
#include "kernel.h"
#include <wasm_simd128.h>

enum { W = 256, H = 128, STRIDE = W + 32 };
static u8 a[(H + 2) * STRIDE], b[(H + 2) * STRIDE];

static void blur(const u8 *src, u8 *dst) {
  v128_t ninth = wasm_i16x8_splat(7282); // 65536 / 9, rounded up
  for (int y = 1; y <= H; y++) {
    for (int x = 16; x < 16 + W; x += 16) {
      v128_t lo = wasm_i16x8_splat(0), hi = wasm_i16x8_splat(0);
      for (int dy = -1; dy <= 1; dy++) {
        const u8 *row = src + (y + dy) * STRIDE + x;
        for (int dx = -1; dx <= 1; dx++) {
          v128_t v = wasm_v128_load(row + dx);
          lo = wasm_i16x8_add(lo, wasm_u16x8_extend_low_u8x16(v));
          hi = wasm_i16x8_add(hi, wasm_u16x8_extend_high_u8x16(v));
        }
      }
      // sum / 9 as the high half of sum * (65536 / 9): widening multiplies.
      v128_t l0 = wasm_u32x4_shr(wasm_u32x4_extmul_low_u16x8(lo, ninth), 16);
      v128_t l1 = wasm_u32x4_shr(wasm_u32x4_extmul_high_u16x8(lo, ninth), 16);
      v128_t h0 = wasm_u32x4_shr(wasm_u32x4_extmul_low_u16x8(hi, ninth), 16);
      v128_t h1 = wasm_u32x4_shr(wasm_u32x4_extmul_high_u16x8(hi, ninth), 16);
      v128_t l = wasm_u16x8_narrow_i32x4(l0, l1);
      v128_t h = wasm_u16x8_narrow_i32x4(h0, h1);
      wasm_v128_store(dst + y * STRIDE + x, wasm_u8x16_narrow_i16x8(l, h));
    }
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 seed = 17, sum = MIX_START;
  for (u32 i = 0; i < sizeof a; i++)
    a[i] = b[i] = (u8)(rng_next(&seed) >> 56);
  for (i32 k = 0; k < n; k++) {
    blur(a, b);
    blur(b, a);
    // Invert and brighten by a moving threshold, or the picture would go flat.
    for (int y = 1; y <= H; y++) {
      u8 *row = a + y * STRIDE + 16;
      for (int x = 0; x < W; x += 16) {
        v128_t v = wasm_v128_load(row + x);
        v128_t m = wasm_u8x16_gt(v, wasm_u8x16_splat((u8)(k * 37)));
        v = wasm_v128_bitselect(wasm_v128_not(v), wasm_u8x16_add_sat(v, wasm_u8x16_splat(9)), m);
        wasm_v128_store(row + x, v);
      }
    }
    sum = mix(sum, a[(1 + (k & 127)) * STRIDE + 16 + (k * 7 & 255)]);
  }
  for (u32 i = 0; i < sizeof a; i++)
    sum = mix(sum, a[i]);
  return (i64)sum;
}
