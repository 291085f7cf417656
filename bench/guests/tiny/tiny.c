// The smallest WASI command: a whole process that only prints a line.
#include "../../kernels/kernel.h"

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) i32
fd_write(i32 fd, const void *iovs, i32 n, u32 *written);

static const char line[] = "hello\n";
static struct {
  const char *p;
  u32 n;
} iov = {line, sizeof line - 1};
static u32 written;

EXPORT("_start") void start(void) {
  if (fd_write(1, &iov, 1, &written) != 0)
    __builtin_trap();
}
