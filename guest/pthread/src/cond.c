// Condition variables. SPDX-License-Identifier: Apache-2.0
//
// A waiter notes the turn while it holds the mutex and waits for another turn; a signal makes one and wakes. Queues are
// FIFO (the threads proposal says so), hence a signal cannot be used up by a thread that began to wait after it: either
// an earlier waiter stands before that thread, or it has not queued yet and finds the turn changed.
#include "internal.h"
#include <sched.h>

struct cond { // in a pthread_cond_t and a cnd_t; all zero is CLOCK_REALTIME and nobody waiting
	word turn;
	word visitors;
	int monotonic;
};
_Static_assert(sizeof(struct cond) <= sizeof(pthread_cond_t), "");
#define C(c) ((struct cond *)(c))

int pthread_cond_init(pthread_cond_t *restrict c, const pthread_condattr_t *restrict a) {
	clockid_t clock = CLOCK_REALTIME;
	if (a)
		pthread_condattr_getclock(a, &clock);
	*c = (pthread_cond_t){0};
	C(c)->monotonic = clock == CLOCK_MONOTONIC;
	return 0;
}

// After a broadcast nobody is blocked, and so the program may destroy the variable while waiters are on their way out.
int pthread_cond_destroy(pthread_cond_t *c) {
	__spt_await_visitors(&C(c)->visitors);
	return 0;
}

static int wait_turn(struct cond *c, pthread_mutex_t *m, deadline d) {
	if (d.at && (d.at->tv_nsec < 0 || d.at->tv_nsec >= 1000000000))
		return EINVAL;
	enter(&c->visitors);
	int turn = load(&c->turn);
	int e = pthread_mutex_unlock(m);
	if (e) {
		leave(&c->visitors);
		return e;
	}
	e = 0;
	while (e == 0 && load(&c->turn) == turn)
		e = __spt_wait_until(&c->turn, turn, d);
	// A signal that came with the time-out may have been meant for this waiter: it counts as a wake-up.
	if (e && load(&c->turn) != turn)
		e = 0;
	leave(&c->visitors);
	if (e)
		sched_yield(); // for a deadline in the past: whoever asks with such ones again and again still lets others have the mutex
	pthread_mutex_lock(m);
	return e;
}

int pthread_cond_wait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m) { return wait_turn(C(c), m, NEVER); }
int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict at) {
	return wait_turn(C(c), m, (deadline){C(c)->monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, at});
}
int pthread_cond_clockwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock,
                           const struct timespec *restrict at) {
	return wait_turn(C(c), m, (deadline){clock, at});
}

static int signal_n(struct cond *c, unsigned n) {
	if (load(&c->visitors) == 0)
		return 0;
	add(&c->turn, 1);
	wake(&c->turn, n);
	return 0;
}
int pthread_cond_signal(pthread_cond_t *c) { return signal_n(C(c), 1); }
int pthread_cond_broadcast(pthread_cond_t *c) { return signal_n(C(c), ALL); }
