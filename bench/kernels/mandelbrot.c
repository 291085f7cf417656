// Float: the Mandelbrot set on an n by n grid, f64, 200 iterations at most.
#include "kernel.h"

EXPORT("run") i64 run(i32 n) {
  u64 sum = MIX_START;
  for (i32 py = 0; py < n; py++) {
    double cy = 2.4 * py / n - 1.2;
    u64 row = 0;
    for (i32 px = 0; px < n; px++) {
      double cx = 3.0 * px / n - 2.1;
      double x = 0, y = 0, xx = 0, yy = 0;
      i32 it = 0;
      while (it < 200 && xx + yy <= 4.0) {
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
        xx = x * x;
        yy = y * y;
        it++;
      }
      row = row * 31 + (u64)it;
    }
    sum = mix(sum, row);
  }
  return (i64)sum;
}
