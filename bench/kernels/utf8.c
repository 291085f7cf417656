// Strings: 32 KiB of UTF-8 text (1 to 4 byte characters) is decoded with all
// of the Unicode standard's checks (table 3-7), its words are counted and
// hashed, and it is encoded again, n times.
#include "kernel.h"

enum { CAP = 1 << 15 };
static u8 text[CAP + 8], back[CAP + 8];
static u32 text_len;

static u32 encode(u32 c, u8 *p) {
  if (c < 0x80) {
    p[0] = (u8)c;
    return 1;
  }
  if (c < 0x800) {
    p[0] = (u8)(0xc0 | c >> 6);
    p[1] = (u8)(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    p[0] = (u8)(0xe0 | c >> 12);
    p[1] = (u8)(0x80 | (c >> 6 & 63));
    p[2] = (u8)(0x80 | (c & 63));
    return 3;
  }
  p[0] = (u8)(0xf0 | c >> 18);
  p[1] = (u8)(0x80 | (c >> 12 & 63));
  p[2] = (u8)(0x80 | (c >> 6 & 63));
  p[3] = (u8)(0x80 | (c & 63));
  return 4;
}

// decode reads one character at p, which has left bytes, and gives its length,
// or 0 if it is ill-formed.
static u32 decode(const u8 *p, u32 left, u32 *out) {
  u32 b = p[0];
  if (b < 0x80) {
    *out = b;
    return 1;
  }
  if (b < 0xc2 || b > 0xf4)
    return 0;
  u32 n = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
  if (left < n)
    return 0;
  u32 c = b & (0xffu >> (n + 1));
  for (u32 i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80)
      return 0;
    c = c << 6 | (p[i] & 63);
  }
  if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
    return 0;
  *out = c;
  return n;
}

static void fill(void) {
  u64 seed = 77;
  text_len = 0;
  while (text_len < CAP - 4) {
    u64 r = rng_next(&seed);
    u32 c;
    switch (r >> 60) {
    case 0: case 1: c = ' '; break;
    case 2: c = 0xe0 + (u32)(r & 31); break;
    case 3: c = 0x400 + (u32)(r & 255); break;
    case 4: c = 0x4e00 + (u32)(r & 4095); break;
    case 5: c = 0x1f600 + (u32)(r & 63); break;
    default: c = 'a' + (u32)(r >> 8) % 26; break;
    }
    text_len += encode(c, text + text_len);
  }
}

EXPORT("run") i64 run(i32 n) {
  u64 sum = MIX_START;
  fill();
  for (i32 k = 0; k < n; k++) {
    u32 at = 0, out = 0, words = 0, chars = 0, bad = 0, in_word = 0, hash = 2166136261u;
    while (at < text_len) {
      u32 c, len = decode(text + at, text_len - at, &c);
      if (len == 0) {
        bad++;
        c = 0xfffd;
        len = 1;
      }
      at += len;
      chars++;
      if (c == ' ') {
        if (in_word) {
          words++;
          sum = mix(sum, hash);
          hash = 2166136261u;
        }
        in_word = 0;
      } else {
        in_word = 1;
        hash = (hash ^ c) * 16777619u;
      }
      // Upper case for ASCII, so that the text changes but its length does not.
      if (c >= 'a' && c <= 'z' && ((chars + (u32)k) & 3) == 0)
        c -= 32;
      else if (c >= 'A' && c <= 'Z')
        c += 32;
      out += encode(c, back + out);
      if (out > CAP)
        return -1;
    }
    if (bad || out != text_len)
      return -2;
    for (u32 i = 0; i < text_len; i++)
      text[i] = back[i];
    sum = mix(mix(sum, words), chars);
  }
  return (i64)sum;
}
