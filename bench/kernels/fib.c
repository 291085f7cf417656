// Calls: the doubly recursive Fibonacci function.
#include "kernel.h"

NOINLINE static i32 fib(i32 n) {
  // The empty asm keeps the compiler from turning one of the calls to a loop.
  if (n < 2)
    return n;
  i32 a = fib(n - 1);
  __asm__ volatile("" : "+r"(a));
  i32 b = fib(n - 2);
  __asm__ volatile("" : "+r"(b));
  return a + b;
}

EXPORT("run") i64 run(i32 n) { return fib(n); }
