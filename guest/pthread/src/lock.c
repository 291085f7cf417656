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

// A thread that unlocks and soon locks again mostly has the lock before the one runs that it has woken: with one processor nearly always, until it loses that one, mostly
// with the lock held. On a busy machine others waited for seconds. So who has been woken PATIENCE times in vain, or has waited PATIENT_NS, is hungry.
//
// Whoever finds the lock GIVEN leaves it to those who waited before, however late they run. But there may be none: of a process that was forked with one thread they are
// gone, if that was between the giving and the taking. So after ABANDONED_NS it is taken all the same.
enum { PATIENCE = 3, PATIENT_NS = 1000000, ABANDONED_NS = 100 * PATIENT_NS };

HIDDEN int __spt_lock_until(word *l, deadline d) {
	for (int i = 0; i < 40; i++)
		if (load(l) == UNHELD && trylock(l))
			return 0;
	for (int lost = 0, waited = 0;;) {
		int c = load(l);
		if (c == UNHELD || (c == GIVEN && waited)) {
			if (cas(l, c, WAITED) == c)
				return 0;
			continue;
		}
		int held = c == GIVEN ? c : lost >= PATIENCE ? HUNGRY : c == HELD ? WAITED : c;
		if (held != c && cas(l, c, held) != c)
			continue;
		enum { WOKEN, OTHER, LATE } how = WOKEN; // as memory.atomic.wait32 tells
		int e = 0;
		if (d.at)
			e = __spt_wait_until(l, held, d);
		else
			how = __builtin_wasm_memory_atomic_wait32((int *)l, held, held == GIVEN ? ABANDONED_NS : lost < PATIENCE ? PATIENT_NS : -1);
		if (e) {
			// Others may be hungry, too: they say so again. If the lock was given just now, this may be the only one to take it.
			cas(l, HUNGRY, WAITED);
			return cas(l, GIVEN, WAITED) == GIVEN ? 0 : e;
		}
		waited |= how != OTHER;
		lost += how == LATE ? PATIENCE : how == WOKEN;
	}
}

// unlock of a WAITED or HUNGRY lock; it may become the other meanwhile. It is given only if there is somebody to take it: a waiter that is woken while it is held does, or waits
// anew and another one does. Of a process that was forked with one thread the waiters may be gone.
HIDDEN void __spt_unlock_waited(word *l) {
	int c;
	do
		c = load(l);
	while (cas(l, c, c == HUNGRY && wake(l, 1) ? GIVEN : UNHELD) != c);
	wake(l, 1);
}

HIDDEN void __spt_await_visitors(word *v) {
	int n = __atomic_or_fetch(v, DESTROYING, __ATOMIC_SEQ_CST);
	while (n != DESTROYING) {
		wait(v, n);
		n = load(v);
	}
}
