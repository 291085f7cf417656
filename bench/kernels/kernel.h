// What every kernel shares: fixed-width types, the export mark, a seeded
// generator and a bump allocator. The kernels are freestanding (no libc), so
// the instructions that an engine runs are the ones written here.
#ifndef SPINDLE_BENCH_KERNEL_H
#define SPINDLE_BENCH_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;

#define EXPORT(name) __attribute__((export_name(name)))
#define NOINLINE __attribute__((noinline))

// xorshift64*: the same sequence in every engine, so checksums can be compared.
static inline u64 rng_next(u64 *s) {
  u64 x = *s;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *s = x;
  return x * 0x2545f4914f6cdd1dull;
}

// FNV-1a over one 64-bit word: folds results into a checksum.
static inline u64 mix(u64 h, u64 v) { return (h ^ v) * 0x100000001b3ull; }

#define MIX_START 0xcbf29ce484222325ull

#endif
