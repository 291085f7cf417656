// Barriers. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

struct barrier { // in a pthread_barrier_t
	word guard;
	unsigned limit, arrived; // guarded by guard
	word round;              // written under guard
	word visitors;
};
_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t), "");
#define B(b) ((struct barrier *)(b))

int pthread_barrier_init(pthread_barrier_t *restrict b, const pthread_barrierattr_t *restrict a, unsigned n) {
	if (n == 0)
		return EINVAL;
	*b = (pthread_barrier_t){0};
	B(b)->limit = n;
	return 0;
}

// The one thread that gets PTHREAD_BARRIER_SERIAL_THREAD may destroy the barrier while the others are on their way out.
int pthread_barrier_destroy(pthread_barrier_t *b) {
	if (B(b)->arrived)
		return EBUSY;
	__spt_await_visitors(&B(b)->visitors);
	return 0;
}

int pthread_barrier_wait(pthread_barrier_t *barrier) {
	struct barrier *b = B(barrier);
	int last = 0;
	enter(&b->visitors);
	lock(&b->guard);
	int round = load(&b->round);
	if (++b->arrived == b->limit) {
		b->arrived = 0;
		store(&b->round, round + 1);
		last = PTHREAD_BARRIER_SERIAL_THREAD;
	}
	unlock(&b->guard);
	if (last)
		wake(&b->round, ALL);
	else
		while (load(&b->round) == round)
			wait(&b->round, round);
	leave(&b->visitors);
	return last;
}
