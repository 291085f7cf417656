// Sort: quicksort of 16 Ki random i32 values with an insertion sort for short
// ranges, n times on fresh data.
#include "kernel.h"

enum { LEN = 1 << 14, SHORT = 12 };
static i32 v[LEN];

NOINLINE static void quicksort(i32 lo, i32 hi) {
  while (hi - lo > SHORT) {
    i32 mid = lo + (hi - lo) / 2;
    // The median of three in the middle: sorted input is no worst case.
    i32 a = v[lo], b = v[mid], c = v[hi];
    i32 pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
    i32 i = lo, j = hi;
    while (i <= j) {
      while (v[i] < pivot)
        i++;
      while (v[j] > pivot)
        j--;
      if (i <= j) {
        i32 t = v[i];
        v[i++] = v[j];
        v[j--] = t;
      }
    }
    // The shorter side by a call, the longer one in this loop.
    if (j - lo < hi - i) {
      quicksort(lo, j);
      lo = i;
    } else {
      quicksort(i, hi);
      hi = j;
    }
  }
  for (i32 i = lo + 1; i <= hi; i++) {
    i32 x = v[i], j = i;
    while (j > lo && v[j - 1] > x) {
      v[j] = v[j - 1];
      j--;
    }
    v[j] = x;
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 seed = 31, sum = MIX_START;
  for (i32 k = 0; k < n; k++) {
    for (int i = 0; i < LEN; i++)
      v[i] = (i32)rng_next(&seed);
    quicksort(0, LEN - 1);
    for (int i = 1; i < LEN; i++)
      if (v[i - 1] > v[i])
        return -1;
    for (int i = 0; i < LEN; i += 97)
      sum = mix(sum, (u32)v[i]);
  }
  return (i64)sum;
}
