// A module of about one KiB: what a plug-in's small function looks like. It
// parses a decimal number, formats one and hashes a string in memory.
// Its start is first, which returns at once after touching memory.
#include "../kernels/kernel.h"

static u8 buf[256];
static const char greeting[] = "spindle: threads, collection and forks of warm guests";
static u32 counter;

NOINLINE static u32 hash(const char *p, u32 n) {
  u32 h = 2166136261u;
  for (u32 i = 0; i < n; i++)
    h = (h ^ (u8)p[i]) * 16777619u;
  return h;
}

EXPORT("first") i32 first(i32 x) {
  counter += (u32)x;
  return (i32)counter;
}

EXPORT("greet") i32 greet(i32 salt) { return (i32)(hash(greeting, sizeof greeting - 1) ^ (u32)salt); }

EXPORT("parse") i64 parse(i32 n) {
  i64 v = 0;
  int neg = 0;
  for (i32 i = 0; i < n && i < 256; i++) {
    u8 c = buf[i];
    if (i == 0 && c == '-') {
      neg = 1;
      continue;
    }
    if (c < '0' || c > '9')
      return -1;
    v = v * 10 + (c - '0');
  }
  return neg ? -v : v;
}

EXPORT("format") i32 format(i64 v) {
  u8 tmp[24];
  i32 n = 0, out = 0;
  u64 u = v < 0 ? 0 - (u64)v : (u64)v;
  do {
    tmp[n++] = (u8)('0' + u % 10);
    u /= 10;
  } while (u);
  if (v < 0)
    buf[out++] = '-';
  while (n)
    buf[out++] = tmp[--n];
  return out;
}

EXPORT("buffer") i32 buffer(void) { return (i32)(unsigned long)buf; }

EXPORT("median") i32 median(i32 a, i32 b, i32 c) {
  i32 lo = a < b ? a : b, hi = a < b ? b : a;
  return c < lo ? lo : c > hi ? hi : c;
}

EXPORT("gcd") i64 gcd(i64 a, i64 b) {
  while (b) {
    i64 t = a % b;
    a = b;
    b = t;
  }
  return a;
}

EXPORT("crc") u32 crc(u32 n) {
  u32 c = ~0u;
  for (u32 i = 0; i < n && i < sizeof buf; i++) {
    c ^= buf[i];
    for (int k = 0; k < 8; k++)
      c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
  }
  return ~c;
}
