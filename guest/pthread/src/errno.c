// errno, one for each thread: for programs by include/__errno.h, for the libc by tlserrno's calls. SPDX-License-Identifier: Apache-2.0

static _Thread_local int value;

int *__errno_location(void) { return &value; }

// In place of errno's address, of a load from, and a store to, errno's address; base is the other operand of such an address, always 0.
int *__spt_errno_address(void) { return &value; }
int __spt_errno_load(int base) { return value; }
void __spt_errno_store(int base, int v) { value = v; }
