// Memory: n rounds of the sieve of Eratosthenes over a 256 KiB byte array.
#include "kernel.h"

enum { LIMIT = 1 << 18 };
static u8 composite[LIMIT];

EXPORT("run") i64 run(i32 n) {
  u64 sum = MIX_START;
  for (i32 round = 0; round < n; round++) {
    for (u32 i = 0; i < LIMIT; i++)
      *(volatile u8 *)&composite[i] = 0; // a byte loop, not a memory.fill
    u32 count = 0, last = 0;
    for (u32 i = 2; i < LIMIT; i++) {
      if (composite[i])
        continue;
      count++;
      last = i;
      for (u32 j = i + i; j < LIMIT; j += i)
        composite[j] = 1;
    }
    sum = mix(mix(sum, count), last);
  }
  return (i64)sum;
}
