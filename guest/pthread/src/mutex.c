// Mutexes: normal, recursive, error-checking. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

struct mutex { // in a pthread_mutex_t and an mtx_t; all zero is a free normal mutex
	int type;
	word held;
	struct __pthread *volatile owner; // of the two kinds that care; a thread compares it only with itself
	unsigned count;                   // of the owner's further locks
};
_Static_assert(sizeof(struct mutex) <= sizeof(pthread_mutex_t), "");
#define M(m) ((struct mutex *)(m))

int pthread_mutex_init(pthread_mutex_t *restrict m, const pthread_mutexattr_t *restrict a) {
	int type = PTHREAD_MUTEX_NORMAL;
	if (a)
		pthread_mutexattr_gettype(a, &type);
	*m = (pthread_mutex_t){0};
	M(m)->type = type;
	return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *m) { return load(&M(m)->held) ? EBUSY : 0; }

// again is for an owner that locks once more: 0 done, -1 not the owner, else the error.
static int again(struct mutex *m, int error) {
	if (m->type == PTHREAD_MUTEX_NORMAL || m->owner != __spt_self)
		return -1;
	if (m->type == PTHREAD_MUTEX_ERRORCHECK)
		return error;
	if (m->count == ~0u)
		return EAGAIN;
	m->count++;
	return 0;
}

static int lock_until(struct mutex *m, deadline d) {
	if (!trylock(&m->held)) {
		int e = again(m, EDEADLK);
		if (e < 0)
			e = __spt_lock_until(&m->held, d);
		else if (e == 0)
			return 0;
		if (e)
			return e;
	}
	if (m->type != PTHREAD_MUTEX_NORMAL)
		m->owner = __spt_self;
	return 0;
}

int pthread_mutex_lock(pthread_mutex_t *m) { return lock_until(M(m), NEVER); }
int pthread_mutex_timedlock(pthread_mutex_t *restrict m, const struct timespec *restrict at) {
	return lock_until(M(m), (deadline){CLOCK_REALTIME, at});
}
int pthread_mutex_clocklock(pthread_mutex_t *restrict m, clockid_t c, const struct timespec *restrict at) {
	return lock_until(M(m), (deadline){c, at});
}

int pthread_mutex_trylock(pthread_mutex_t *m) {
	if (trylock(&M(m)->held)) {
		if (M(m)->type != PTHREAD_MUTEX_NORMAL)
			M(m)->owner = __spt_self;
		return 0;
	}
	int e = again(M(m), EBUSY);
	return e < 0 ? EBUSY : e;
}

int pthread_mutex_unlock(pthread_mutex_t *m) {
	if (M(m)->type != PTHREAD_MUTEX_NORMAL) {
		if (M(m)->owner != __spt_self)
			return EPERM;
		if (M(m)->count) {
			M(m)->count--;
			return 0;
		}
		M(m)->owner = NULL;
	}
	unlock(&M(m)->held);
	return 0;
}

int pthread_mutex_consistent(pthread_mutex_t *m) { return EINVAL; }
