// br_table: a stack machine's interpreter (a switch with 20 cases) running a
// small program n times: an inner loop of a linear-congruential sum with a
// branch in it.
#include "kernel.h"

enum op {
  PUSH, // operand byte
  LOAD, // local number
  STORE,
  ADD,
  SUB,
  MUL,
  AND,
  OR,
  XOR,
  SHL,
  SHR,
  DUP,
  SWAP,
  DROP,
  LT,
  EQ,
  JZ, // signed relative byte
  JMP,
  NOT,
  HALT,
};

// local 0: counter, 1: state, 2: sum
static const i8 program[] = {
    PUSH, 0,   STORE, 0,                                          // i = 0
    LOAD, 1,   PUSH,  75, MUL, PUSH, 74, ADD, STORE, 1,           // s = s * 75 + 74
    LOAD, 1,   PUSH,  7,  SHR, PUSH, 1,  AND, JZ,    12,          // if (s >> 7 & 1)
    LOAD, 2,   LOAD,  1,  XOR, PUSH, 3,  ADD, STORE, 2,           //   t = (t ^ s) + 3
    JMP,  11,                                                     // else
    LOAD, 2,   LOAD,  1,  DUP, SWAP, DROP, SUB, NOT, STORE, 2, //   t = ~(t - s)
};
enum { BODY = sizeof program };
static i8 code[128];

static u32 assemble(void) {
  u32 n = 0;
  for (; n < BODY; n++)
    code[n] = program[n];
  const i8 tail[] = {LOAD, 0, PUSH, 1, ADD, DUP, STORE, 0, PUSH, 100, LT, PUSH, 0, EQ, JZ, 0, HALT};
  for (u32 i = 0; i < sizeof tail; i++)
    code[n + i] = tail[i];
  code[n + 15] = (i8)(4 - (i32)(n + 16)); // back to the loop's first instruction
  return n + sizeof tail;
}

static u32 locals[4];

NOINLINE static u32 execute(const i8 *pc) {
  u32 stack[16], *sp = stack;
  for (;;) {
    switch ((enum op) * pc++) {
    case PUSH: *sp++ = (u32)*pc++; break;
    case LOAD: *sp++ = locals[*pc++]; break;
    case STORE: locals[*pc++] = *--sp; break;
    case ADD: sp--; sp[-1] += *sp; break;
    case SUB: sp--; sp[-1] -= *sp; break;
    case MUL: sp--; sp[-1] *= *sp; break;
    case AND: sp--; sp[-1] &= *sp; break;
    case OR: sp--; sp[-1] |= *sp; break;
    case XOR: sp--; sp[-1] ^= *sp; break;
    case SHL: sp--; sp[-1] <<= *sp & 31; break;
    case SHR: sp--; sp[-1] >>= *sp & 31; break;
    case DUP: *sp = sp[-1]; sp++; break;
    case SWAP: { u32 t = sp[-1]; sp[-1] = sp[-2]; sp[-2] = t; break; }
    case DROP: sp--; break;
    case LT: sp--; sp[-1] = sp[-1] < *sp; break;
    case EQ: sp--; sp[-1] = sp[-1] == *sp; break;
    case JZ: pc++; if (*--sp == 0) pc += pc[-1]; break;
    case JMP: pc++; pc += pc[-1]; break;
    case NOT: sp[-1] = ~sp[-1]; break;
    case HALT: return locals[2];
    }
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 sum = MIX_START;
  u32 size = assemble();
  locals[1] = 1;
  locals[2] = size;
  for (i32 i = 0; i < n; i++)
    sum = mix(sum, execute(code));
  return (i64)mix(sum, locals[1]);
}
