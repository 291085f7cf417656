// Waiting with deadlines, and the lock that everything else is made of. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

WEAK HIDDEN word __spt_threaded; // 1 from the start in programs with host.c

HIDDEN int __spt_wait_until(word *p, int seen, deadline d) {
	if (!d.at) {
		wait(p, seen);
		return 0;
	}
	if (d.at->tv_nsec < 0 || d.at->tv_nsec >= 1000000000)
		return EINVAL;
	struct timespec now;
	if (clock_gettime(d.clock, &now) != 0)
		return EINVAL;
	int64_t s, ns;
	if (__builtin_sub_overflow((int64_t)d.at->tv_sec, (int64_t)now.tv_sec, &s))
		return d.at->tv_sec < 0 ? ETIMEDOUT : (wait(p, seen), 0);
	if (__builtin_mul_overflow(s, (int64_t)1000000000, &ns))
		return s < 0 ? ETIMEDOUT : (wait(p, seen), 0);
	if (__builtin_add_overflow(ns, (int64_t)(d.at->tv_nsec - now.tv_nsec), &ns))
		return s < 0 ? ETIMEDOUT : (wait(p, seen), 0);
	if (ns <= 0)
		return ETIMEDOUT;
	// The time-out counts on the host's own clock: whether the deadline has passed is asked again by the caller's loop.
	__builtin_wasm_memory_atomic_wait32((int *)p, seen, ns);
	return 0;
}

HIDDEN int __spt_lock_until(word *l, deadline d) {
	for (int i = 0; i < 40; i++)
		if (load(l) == 0 && trylock(l))
			return 0;
	while (swap(l, 2) != 0) {
		int e = __spt_wait_until(l, 2, d);
		if (e)
			return e; // 2 stays behind: at worst one notification too many
	}
	return 0;
}

HIDDEN void __spt_await_visitors(word *v) {
	int n = __atomic_or_fetch(v, DESTROYING, __ATOMIC_SEQ_CST);
	while (n != DESTROYING) {
		wait(v, n);
		n = load(v);
	}
}
