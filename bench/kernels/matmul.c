// Float: n products of 96 by 96 f64 matrices, the plain triple loop.
#include "kernel.h"

enum { N = 96 };
static double a[N][N], b[N][N], c[N][N];

EXPORT("run") i64 run(i32 n) {
  u64 seed = 13, sum = MIX_START;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = (double)(i64)(rng_next(&seed) >> 40) / 16777216.0 - 0.5;
      b[i][j] = (double)(i64)(rng_next(&seed) >> 40) / 16777216.0 - 0.5;
    }
  for (i32 k = 0; k < n; k++) {
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double s = 0;
        for (int l = 0; l < N; l++)
          s += a[i][l] * b[l][j];
        c[i][j] = s;
      }
    a[k % N][(k * 7) % N] = c[(k * 3) % N][k % N];
    union {
      double d;
      u64 u;
    } w = {c[N - 1][k % N]};
    sum = mix(sum, w.u);
  }
  return (i64)sum;
}
