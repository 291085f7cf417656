// Bulk memory: a gap buffer under random edits. The cursor moves (memory.copy
// of the text between), runs of 1 to 64 bytes are inserted (memory.fill) and
// deleted. Sizes are those of a text editor: most copies are short.
#include "kernel.h"

enum { CAP = 1 << 16 };
static u8 buf[CAP];
static u32 gap_at, gap_end; // the gap is [gap_at, gap_end)

static void move_to(u32 pos) {
  if (pos < gap_at) {
    u32 len = gap_at - pos;
    __builtin_memmove(buf + gap_end - len, buf + pos, len);
    gap_at = pos;
    gap_end -= len;
  } else {
    u32 len = pos - gap_at;
    __builtin_memmove(buf + gap_at, buf + gap_end, len);
    gap_at += len;
    gap_end += len;
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 seed = 11;
  gap_at = 0;
  gap_end = CAP;
  __builtin_memset(buf, 0, CAP);
  for (i32 k = 0; k < n; k++) {
    u64 r = rng_next(&seed);
    u32 length = CAP - (gap_end - gap_at);
    // Mostly near the last edit, now and then anywhere.
    u32 pos = gap_at + (u32)(r & 127) - 63;
    if ((r >> 7 & 255) == 0)
      pos = (u32)(r >> 16 & 0xffff);
    if (pos > length)
      pos = pos > 0x80000000u ? 0 : length;
    move_to(pos);
    u32 run = (u32)(r >> 33 & 63) + 1;
    if ((r >> 40 & 7) < 4 && gap_end - gap_at > run) {
      __builtin_memset(buf + gap_at, (int)(r >> 48 & 127) + 1, run);
      gap_at += run;
    } else if (gap_at >= run) {
      gap_at -= run;
    }
  }
  u64 sum = mix(mix(MIX_START, gap_at), gap_end);
  for (u32 i = 0; i < gap_at; i++)
    sum = mix(sum, buf[i]);
  for (u32 i = gap_end; i < CAP; i++)
    sum = mix(sum, buf[i]);
  return (i64)sum;
}
