// Indirect calls: shapes with a virtual "area" and "scale" in an array, n
// passes over it. Types change from element to element.
#include "kernel.h"

typedef struct shape shape;
typedef struct {
  i64 (*area)(const shape *);
  void (*scale)(shape *, i32);
} vtable;
struct shape {
  const vtable *vt;
  i32 a, b;
};

static i64 rect_area(const shape *s) { return (i64)s->a * s->b; }
static i64 tri_area(const shape *s) { return (i64)s->a * s->b / 2; }
static i64 disc_area(const shape *s) { return (i64)s->a * s->a * 355 / 113; }
static i64 ring_area(const shape *s) {
  i64 d = (i64)s->a * s->a - (i64)s->b * s->b;
  return (d < 0 ? -d : d) * 355 / 113;
}
static void scale_both(shape *s, i32 k) {
  s->a = ((s->a + k) & 1023) + 1;
  s->b = ((s->b + k) & 1023) + 1;
}
static void scale_a(shape *s, i32 k) { s->a = ((s->a * 3 + k) & 1023) + 1; }

static const vtable kinds[4] = {
    {rect_area, scale_both},
    {tri_area, scale_both},
    {disc_area, scale_a},
    {ring_area, scale_a},
};

enum { SHAPES = 1024 };
static shape shapes[SHAPES];

EXPORT("run") i64 run(i32 n) {
  u64 seed = 7, sum = MIX_START;
  for (int i = 0; i < SHAPES; i++) {
    u64 r = rng_next(&seed);
    shapes[i].vt = &kinds[r >> 62];
    shapes[i].a = (i32)(r & 1023) + 1;
    shapes[i].b = (i32)(r >> 10 & 1023) + 1;
  }
  for (i32 pass = 0; pass < n; pass++) {
    i64 total = 0;
    for (int i = 0; i < SHAPES; i++) {
      shape *s = &shapes[i];
      s->vt->scale(s, pass + i);
      total += s->vt->area(s);
    }
    sum = mix(sum, (u64)total);
  }
  return (i64)sum;
}
