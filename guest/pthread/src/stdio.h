// A lock for each FILE; the libc's FILE has none in it. SPDX-License-Identifier: Apache-2.0
#ifndef SPT_STDIO_H
#define SPT_STDIO_H

#include "internal.h"
#include <stdio.h>

// Locks are found by the FILE's address and stay, unlocked, after fclose, for the next FILE there: so nothing is freed that
// another thread might wait for. Their number is bounded by the addresses that FILEs have had.
struct filelock {
	struct filelock *next;
	FILE *file;
	word held;
	struct __pthread *volatile owner;
	unsigned count; // of the owner's further locks
	int open;       // is it, or a standard stream? Guarded by the lock
};

HIDDEN struct filelock *__spt_file(FILE *);
HIDDEN int __spt_lock_file(struct filelock *, deadline);
HIDDEN void __spt_unlock_file(struct filelock *);
HIDDEN void __spt_each_file(void (*)(struct filelock *)); // calls with no lock held
HIDDEN int __spt_try_file(struct filelock *);

#endif
