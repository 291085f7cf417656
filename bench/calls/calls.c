// The two directions of a call across the embedding's border.
#include "../kernels/kernel.h"

__attribute__((import_module("env"), import_name("add"))) i32 host_add(i32 a, i32 b);

// add is the smallest function worth a call: host to guest.
EXPORT("add") i32 add(i32 a, i32 b) { return a + b; }

// loop calls the host's add n times: guest to host.
EXPORT("loop") i32 loop(i32 n) {
  i32 sum = 0;
  for (i32 i = 0; i < n; i++)
    sum = host_add(sum, i);
  return sum;
}
