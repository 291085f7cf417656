// Integer: rounds of rotate, xor, add and multiply on i64, and a population
// count every round. Straight-line arithmetic in a loop, no memory.
#include "kernel.h"

static inline u64 rotl(u64 x, int k) { return x << k | x >> (64 - k); }

EXPORT("run") i64 run(i32 n) {
  u64 a = 0x9e3779b97f4a7c15ull, b = 0xbf58476d1ce4e5b9ull, c = 1, pop = 0;
  for (i32 i = 0; i < n; i++) {
    a += b;
    c = rotl(c ^ a, 17);
    b = rotl(b, 29) * 0x94d049bb133111ebull + c;
    a ^= a >> 31;
    c += rotl(a, (int)(b & 63));
    pop += (u64)__builtin_popcountll(c);
  }
  return (i64)mix(mix(mix(mix(MIX_START, a), b), c), pop);
}
