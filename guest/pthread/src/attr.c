// Attributes: plain records of ours, read by nobody else. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

// Default stack size; a program may define it, or call pthread_setattr_default_np.
WEAK unsigned __default_stacksize = 256 << 10;

struct attr { // in a pthread_attr_t
	size_t size, guard;
	void *stack;
	int detached;
};
_Static_assert(sizeof(struct attr) <= sizeof(pthread_attr_t), "");
#define A(a) ((struct attr *)(a))

HIDDEN void __spt_init_attr(const pthread_attr_t *a, size_t *size, void **stack, int *detached) {
	*size = a && A(a)->size ? A(a)->size : __default_stacksize;
	*stack = a ? A(a)->stack : NULL;
	*detached = a && A(a)->detached == PTHREAD_CREATE_DETACHED;
}

int pthread_attr_init(pthread_attr_t *a) { return *A(a) = (struct attr){.size = __default_stacksize}, 0; }
int pthread_attr_destroy(pthread_attr_t *a) { return 0; }

int pthread_attr_setstacksize(pthread_attr_t *a, size_t n) {
	if (n < MIN_STACK || n > (size_t)1 << 31)
		return EINVAL;
	A(a)->stack = NULL;
	A(a)->size = n;
	return 0;
}
int pthread_attr_getstacksize(const pthread_attr_t *restrict a, size_t *restrict n) { return *n = A(a)->size, 0; }
int pthread_attr_setstack(pthread_attr_t *a, void *low, size_t n) {
	if (n < MIN_STACK || n > (size_t)1 << 31)
		return EINVAL;
	A(a)->stack = low;
	A(a)->size = n;
	return 0;
}
int pthread_attr_getstack(const pthread_attr_t *restrict a, void **restrict low, size_t *restrict n) {
	*low = A(a)->stack;
	*n = A(a)->size;
	return 0;
}
// Linear memory has no guard pages; the size is only kept.
int pthread_attr_setguardsize(pthread_attr_t *a, size_t n) { return A(a)->guard = n, 0; }
int pthread_attr_getguardsize(const pthread_attr_t *restrict a, size_t *restrict n) { return *n = A(a)->guard, 0; }
int pthread_attr_setdetachstate(pthread_attr_t *a, int s) {
	if (s != PTHREAD_CREATE_JOINABLE && s != PTHREAD_CREATE_DETACHED)
		return EINVAL;
	A(a)->detached = s;
	return 0;
}
int pthread_attr_getdetachstate(const pthread_attr_t *a, int *s) { return *s = A(a)->detached, 0; }

// There is one scope, one policy and no priority.
int pthread_attr_setscope(pthread_attr_t *a, int s) { return s == PTHREAD_SCOPE_SYSTEM ? 0 : s == PTHREAD_SCOPE_PROCESS ? ENOTSUP : EINVAL; }
int pthread_attr_getscope(const pthread_attr_t *restrict a, int *restrict s) { return *s = PTHREAD_SCOPE_SYSTEM, 0; }
int pthread_attr_setinheritsched(pthread_attr_t *a, int s) { return s == PTHREAD_INHERIT_SCHED ? 0 : s == PTHREAD_EXPLICIT_SCHED ? ENOTSUP : EINVAL; }
int pthread_attr_getinheritsched(const pthread_attr_t *restrict a, int *restrict s) { return *s = PTHREAD_INHERIT_SCHED, 0; }
int pthread_attr_setschedpolicy(pthread_attr_t *a, int p) { return p == 0 ? 0 : ENOTSUP; }
int pthread_attr_getschedpolicy(const pthread_attr_t *restrict a, int *restrict p) { return *p = 0, 0; }

int pthread_setattr_default_np(const pthread_attr_t *a) {
	if (A(a)->stack || A(a)->detached)
		return EINVAL;
	if (A(a)->size)
		__default_stacksize = A(a)->size;
	return 0;
}
int pthread_getattr_default_np(pthread_attr_t *a) { return pthread_attr_init(a); }

// All memory is shared by all threads and by nobody else, so "shared between processes" is kept and means nothing.
#define PSHARED 0x100
#define PSHARED_FUNCTIONS(name, type, field)                                                                                    \
	int pthread_##name##_init(type *a) { return *a = (type){0}, 0; }                                                            \
	int pthread_##name##_destroy(type *a) { return 0; }                                                                         \
	int pthread_##name##_setpshared(type *a, int s) {                                                                           \
		if (s != PTHREAD_PROCESS_PRIVATE && s != PTHREAD_PROCESS_SHARED)                                                        \
			return EINVAL;                                                                                                      \
		field = (field & ~PSHARED) | (s ? PSHARED : 0);                                                                         \
		return 0;                                                                                                               \
	}                                                                                                                           \
	int pthread_##name##_getpshared(const type *restrict a, int *restrict s) {                                                  \
		return *s = field & PSHARED ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE, 0;                                      \
	}

PSHARED_FUNCTIONS(mutexattr, pthread_mutexattr_t, a->__attr)
PSHARED_FUNCTIONS(condattr, pthread_condattr_t, a->__attr)
PSHARED_FUNCTIONS(rwlockattr, pthread_rwlockattr_t, a->__attr[0])
PSHARED_FUNCTIONS(barrierattr, pthread_barrierattr_t, a->__attr)

int pthread_mutexattr_settype(pthread_mutexattr_t *a, int type) {
	if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_ERRORCHECK)
		return EINVAL;
	a->__attr = (a->__attr & ~3u) | (unsigned)type;
	return 0;
}
int pthread_mutexattr_gettype(const pthread_mutexattr_t *restrict a, int *restrict type) { return *type = a->__attr & 3, 0; }
// A thread cannot die alone, so no mutex loses its owner: robust mutexes are refused, and so are priorities.
int pthread_mutexattr_setrobust(pthread_mutexattr_t *a, int r) { return r == PTHREAD_MUTEX_STALLED ? 0 : r == PTHREAD_MUTEX_ROBUST ? ENOTSUP : EINVAL; }
int pthread_mutexattr_getrobust(const pthread_mutexattr_t *restrict a, int *restrict r) { return *r = PTHREAD_MUTEX_STALLED, 0; }
int pthread_mutexattr_setprotocol(pthread_mutexattr_t *a, int p) { return p == PTHREAD_PRIO_NONE ? 0 : p == PTHREAD_PRIO_INHERIT || p == PTHREAD_PRIO_PROTECT ? ENOTSUP : EINVAL; }
int pthread_mutexattr_getprotocol(const pthread_mutexattr_t *restrict a, int *restrict p) { return *p = PTHREAD_PRIO_NONE, 0; }

#define MONOTONIC 1
int pthread_condattr_setclock(pthread_condattr_t *a, clockid_t c) {
	if (c != CLOCK_REALTIME && c != CLOCK_MONOTONIC)
		return EINVAL;
	a->__attr = (a->__attr & ~(unsigned)MONOTONIC) | (c == CLOCK_MONOTONIC ? MONOTONIC : 0);
	return 0;
}
int pthread_condattr_getclock(const pthread_condattr_t *restrict a, clockid_t *restrict c) {
	return *c = a->__attr & MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME, 0;
}
