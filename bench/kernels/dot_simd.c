// SIMD: dot products of f32x4 vectors and a saxpy step, over 4 Ki floats, n
// times; a second pass does the same in i32x4.
#include "kernel.h"
#include <wasm_simd128.h>

enum { LEN = 4096 };
static float x[LEN], y[LEN];
static i32 p[LEN], q[LEN];

EXPORT("run") i64 run(i32 n) {
  u64 seed = 3;
  for (int i = 0; i < LEN; i++) {
    u64 r = rng_next(&seed);
    x[i] = (float)(i32)(r & 1023) / 512.0f - 1.0f;
    y[i] = (float)(i32)(r >> 10 & 1023) / 512.0f - 1.0f;
    p[i] = (i32)(r >> 20 & 0xffff);
    q[i] = (i32)(r >> 40 & 0xffff);
  }
  u64 sum = MIX_START;
  for (i32 round = 0; round < n; round++) {
    v128_t acc = wasm_f32x4_splat(0);
    v128_t k = wasm_f32x4_splat(0.25f / (float)(round + 1));
    for (int i = 0; i < LEN; i += 4) {
      v128_t a = wasm_v128_load(x + i), b = wasm_v128_load(y + i);
      acc = wasm_f32x4_add(acc, wasm_f32x4_mul(a, b));
      wasm_v128_store(y + i, wasm_f32x4_add(b, wasm_f32x4_mul(a, k)));
    }
    union {
      float f[4];
      u32 u[4];
    } out;
    wasm_v128_store(&out, acc);
    for (int i = 0; i < 4; i++)
      sum = mix(sum, out.u[i]);
    v128_t iacc = wasm_i32x4_splat(0);
    v128_t one = wasm_i32x4_splat(round);
    for (int i = 0; i < LEN; i += 4) {
      v128_t a = wasm_v128_load(p + i), b = wasm_v128_load(q + i);
      iacc = wasm_i32x4_add(iacc, wasm_i32x4_mul(a, b));
      wasm_v128_store(q + i, wasm_v128_xor(wasm_i32x4_add(b, one), wasm_i32x4_shr(a, 3)));
    }
    sum = mix(sum, (u32)wasm_i32x4_extract_lane(iacc, 0));
    sum = mix(sum, (u32)wasm_i32x4_extract_lane(iacc, 1));
    sum = mix(sum, (u32)wasm_i32x4_extract_lane(iacc, 2));
    sum = mix(sum, (u32)wasm_i32x4_extract_lane(iacc, 3));
  }
  return (i64)sum;
}
