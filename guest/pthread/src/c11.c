// <threads.h>, by the functions of <pthread.h>; mtx_t and cnd_t have their layouts. SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include <sched.h>
#include <threads.h>

#define M(m) ((pthread_mutex_t *)(m))
#define C(c) ((pthread_cond_t *)(c))
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t), "");

static int result(int e) {
	switch (e) {
	case 0: return thrd_success;
	case EBUSY: return thrd_busy;
	case ETIMEDOUT: return thrd_timedout;
	case ENOMEM: return thrd_nomem;
	default: return thrd_error;
	}
}

// An int and a pointer are both i32, so that the two kinds of thread function have one type in wasm.
int thrd_create(thrd_t *t, thrd_start_t fn, void *arg) {
	int e = pthread_create(t, NULL, (void *(*)(void *))(void *)fn, arg);
	return e == EAGAIN ? thrd_nomem : result(e);
}
int thrd_join(thrd_t t, int *code) {
	void *r;
	int e = pthread_join(t, &r);
	if (!e && code)
		*code = (int)(intptr_t)r;
	return result(e);
}
int thrd_detach(thrd_t t) { return result(pthread_detach(t)); }
thrd_t thrd_current(void) { return __spt_self; }
#undef thrd_equal
int thrd_equal(thrd_t a, thrd_t b) { return a == b; }
void thrd_yield(void) { sched_yield(); }
void call_once(once_flag *o, void (*fn)(void)) { pthread_once(o, fn); }

int mtx_init(mtx_t *m, int kind) {
	*m = (mtx_t){0};
	pthread_mutexattr_t a = {0};
	if (kind & mtx_recursive)
		pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	return result(pthread_mutex_init(M(m), &a));
}
void mtx_destroy(mtx_t *m) { pthread_mutex_destroy(M(m)); }
int mtx_lock(mtx_t *m) { return result(pthread_mutex_lock(M(m))); }
int mtx_trylock(mtx_t *m) { return result(pthread_mutex_trylock(M(m))); }
int mtx_timedlock(mtx_t *restrict m, const struct timespec *restrict at) { return result(pthread_mutex_timedlock(M(m), at)); }
int mtx_unlock(mtx_t *m) { return result(pthread_mutex_unlock(M(m))); }

int cnd_init(cnd_t *c) { return *c = (cnd_t){0}, thrd_success; }
void cnd_destroy(cnd_t *c) { pthread_cond_destroy(C(c)); }
int cnd_signal(cnd_t *c) { return result(pthread_cond_signal(C(c))); }
int cnd_broadcast(cnd_t *c) { return result(pthread_cond_broadcast(C(c))); }
int cnd_wait(cnd_t *c, mtx_t *m) { return result(pthread_cond_wait(C(c), M(m))); }
int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict at) {
	return result(pthread_cond_timedwait(C(c), M(m), at));
}
