// Float: five bodies under gravity, n steps of a symplectic Euler method in
// f64. Square roots, divisions and struct fields in memory.
#include "kernel.h"

typedef struct {
  double p[3], v[3], m;
} body;

enum { BODIES = 5 };
static body bodies[BODIES];

static void reset(void) {
  u64 seed = 42;
  for (int i = 0; i < BODIES; i++) {
    for (int k = 0; k < 3; k++) {
      bodies[i].p[k] = (double)(i64)(rng_next(&seed) >> 44) / 65536.0 - 8.0;
      bodies[i].v[k] = ((double)(i64)(rng_next(&seed) >> 44) / 65536.0 - 8.0) / 64.0;
    }
    bodies[i].m = 0.01 + i * 0.003;
  }
  bodies[0].m = 39.0;
}

static void step(double dt) {
  for (int i = 0; i < BODIES; i++) {
    body *a = &bodies[i];
    for (int j = i + 1; j < BODIES; j++) {
      body *b = &bodies[j];
      double dx = a->p[0] - b->p[0];
      double dy = a->p[1] - b->p[1];
      double dz = a->p[2] - b->p[2];
      // The softening term keeps close encounters finite.
      double d2 = dx * dx + dy * dy + dz * dz + 0.05;
      double f = dt / (d2 * __builtin_sqrt(d2));
      double fb = f * b->m, fa = f * a->m;
      a->v[0] -= dx * fb;
      a->v[1] -= dy * fb;
      a->v[2] -= dz * fb;
      b->v[0] += dx * fa;
      b->v[1] += dy * fa;
      b->v[2] += dz * fa;
    }
  }
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++)
      bodies[i].p[k] += dt * bodies[i].v[k];
}

EXPORT("run") i64 run(i32 n) {
  reset();
  for (i32 i = 0; i < n; i++)
    step(0.001);
  u64 sum = MIX_START;
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) {
      union {
        double d;
        u64 u;
      } w = {bodies[i].p[k]};
      sum = mix(sum, w.u);
    }
  return (i64)sum;
}
