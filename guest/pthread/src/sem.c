// Unnamed semaphores. SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include <limits.h>
#include <semaphore.h>

struct sem { // in a sem_t
	word value, waiters;
};
_Static_assert(sizeof(struct sem) <= sizeof(sem_t), "");
#define S(s) ((struct sem *)(s))

static int fail(int e) { return errno = e, -1; }

int sem_init(sem_t *s, int shared, unsigned value) {
	if (value > SEM_VALUE_MAX)
		return fail(EINVAL);
	*S(s) = (struct sem){(int)value, 0};
	return 0;
}
int sem_destroy(sem_t *s) { return 0; }
int sem_getvalue(sem_t *restrict s, int *restrict v) { return *v = load(&S(s)->value), 0; }

int sem_post(sem_t *s) {
	struct sem *p = S(s);
	for (int v = load(&p->value), found;; v = found) {
		if (v == SEM_VALUE_MAX)
			return fail(EOVERFLOW);
		if ((found = cas(&p->value, v, v + 1)) == v)
			break;
	}
	// Whoever was let in may have freed s by now: only read.
	if (load(&p->waiters))
		wake(&p->value, 1);
	return 0;
}

static int take(struct sem *s) {
	for (int v = load(&s->value), found; v > 0; v = found)
		if ((found = cas(&s->value, v, v - 1)) == v)
			return 1;
	return 0;
}

static int take_until(struct sem *s, deadline d) {
	for (int i = 0; i < 40; i++)
		if (take(s))
			return 0;
	// waiters is lowered before the value is taken: taking it may entitle another thread to free s.
	for (;;) {
		add(&s->waiters, 1);
		int e = load(&s->value) > 0 ? 0 : __spt_wait_until(&s->value, 0, d);
		add(&s->waiters, -1);
		if (take(s))
			return 0;
		if (e)
			return fail(e);
	}
}

int sem_trywait(sem_t *s) { return take(S(s)) ? 0 : fail(EAGAIN); }
int sem_wait(sem_t *s) { return take_until(S(s), NEVER); }
int sem_timedwait(sem_t *restrict s, const struct timespec *restrict at) { return take_until(S(s), (deadline){CLOCK_REALTIME, at}); }
int sem_clockwait(sem_t *restrict s, clockid_t clock, const struct timespec *restrict at) { return take_until(S(s), (deadline){clock, at}); }
