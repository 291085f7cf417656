// Integer: the longest Collatz chain below n, with 64-bit values.
// Loops, shifts, multiply-add and unpredictable branches, no memory.
#include "kernel.h"

EXPORT("run") i64 run(i32 n) {
  u64 best = 0, arg = 0;
  for (u64 i = 1; i < (u64)n; i++) {
    u64 x = i, steps = 0;
    while (x != 1) {
      if (x & 1)
        x = 3 * x + 1;
      else
        x >>= 1;
      steps++;
    }
    if (steps > best) {
      best = steps;
      arg = i;
    }
  }
  return (i64)(best << 32 | arg);
}
