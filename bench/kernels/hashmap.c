// Memory: an open-addressing hash table with 32-bit keys: n inserts, look-ups
// and deletions in a random mixture (deletion moves the cluster back).
#include "kernel.h"

enum { BITS = 15, SLOTS = 1 << BITS, FULL = SLOTS / 2 };
typedef struct {
  u32 key; // 0 is an empty slot
  u32 value;
} slot;
static slot table[SLOTS];
static u32 used;

static u32 home(u32 key) { return key * 2654435769u >> (32 - BITS); }

static u32 find(u32 key) {
  u32 i = home(key);
  while (table[i].key != 0 && table[i].key != key)
    i = (i + 1) & (SLOTS - 1);
  return i;
}

static void erase(u32 i) {
  used--;
  for (;;) {
    table[i].key = 0;
    u32 j = i;
    for (;;) {
      j = (j + 1) & (SLOTS - 1);
      if (table[j].key == 0)
        return;
      // An entry may move into the hole only if its home does not lie between.
      u32 h = home(table[j].key);
      if (((j - h) & (SLOTS - 1)) >= ((j - i) & (SLOTS - 1)))
        break;
    }
    table[i] = table[j];
    i = j;
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 seed = 99, hits = 0, sum = MIX_START;
  for (u32 i = 0; i < SLOTS; i++)
    table[i].key = 0;
  used = 0;
  for (i32 k = 0; k < n; k++) {
    u64 r = rng_next(&seed);
    u32 key = (u32)(r >> 8 & 0x7fff) + 1;
    u32 i = find(key);
    if (table[i].key == key) {
      hits++;
      if ((r >> 40 & 3) == 0) {
        erase(i);
      } else {
        table[i].value += (u32)k;
        sum = mix(sum, table[i].value);
      }
    } else if (used < FULL) {
      table[i].key = key;
      table[i].value = (u32)k;
      used++;
    }
  }
  return (i64)mix(mix(sum, hits), used);
}
