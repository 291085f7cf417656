// Read-write locks, without preference. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

struct rwlock { // in a pthread_rwlock_t; all zero is free
	word state;   // 0 free, WRITER, or the number of readers
	word waiters; // on state
	struct __pthread *volatile writer;
};
_Static_assert(sizeof(struct rwlock) <= sizeof(pthread_rwlock_t), "");
#define L(l) ((struct rwlock *)(l))
enum { WRITER = -1, MOST = 0x3fffffff };

int pthread_rwlock_init(pthread_rwlock_t *restrict l, const pthread_rwlockattr_t *restrict a) { return *l = (pthread_rwlock_t){0}, 0; }
int pthread_rwlock_destroy(pthread_rwlock_t *l) { return load(&L(l)->state) ? EBUSY : 0; }

// read_step and write_step try once; *seen is what they found.
static int read_step(struct rwlock *l, int *seen) {
	for (int s = load(&l->state);;) {
		*seen = s;
		if (s == WRITER)
			return EBUSY;
		if (s == MOST)
			return EAGAIN;
		if ((s = cas(&l->state, s, s + 1)) == *seen)
			return 0;
	}
}
static int write_step(struct rwlock *l, int *seen) {
	if ((*seen = cas(&l->state, 0, WRITER)) != 0)
		return EBUSY;
	l->writer = __spt_self;
	return 0;
}

static int lock_by(struct rwlock *l, int (*step)(struct rwlock *, int *), deadline d) {
	int seen, e;
	for (int i = 0; i < 40; i++)
		if ((e = step(l, &seen)) != EBUSY)
			return e;
	if (l->writer == __spt_self)
		return EDEADLK;
	add(&l->waiters, 1);
	while ((e = step(l, &seen)) == EBUSY && (e = __spt_wait_until(&l->state, seen, d)) == 0)
		;
	add(&l->waiters, -1);
	return e;
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t *l) { return read_step(L(l), &(int){0}); }
int pthread_rwlock_trywrlock(pthread_rwlock_t *l) { return write_step(L(l), &(int){0}); }
int pthread_rwlock_rdlock(pthread_rwlock_t *l) { return lock_by(L(l), read_step, NEVER); }
int pthread_rwlock_wrlock(pthread_rwlock_t *l) { return lock_by(L(l), write_step, NEVER); }
int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict l, const struct timespec *restrict at) {
	return lock_by(L(l), read_step, (deadline){CLOCK_REALTIME, at});
}
int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict l, const struct timespec *restrict at) {
	return lock_by(L(l), write_step, (deadline){CLOCK_REALTIME, at});
}

int pthread_rwlock_unlock(pthread_rwlock_t *l) {
	struct rwlock *r = L(l);
	int s = load(&r->state);
	if (s == 0)
		return EPERM;
	if (s == WRITER) {
		if (r->writer != __spt_self)
			return EPERM;
		r->writer = NULL;
		store(&r->state, 0);
		if (load(&r->waiters))
			wake(&r->state, ALL); // readers and writers wait
		return 0;
	}
	if (add(&r->state, -1) == 1 && load(&r->waiters))
		wake(&r->state, 1); // only writers wait for readers
	return 0;
}
