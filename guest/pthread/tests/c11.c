// <threads.h>.
#include "check.h"
#include <threads.h>

static mtx_t m;
static cnd_t c;
static tss_t key;
static once_flag once = ONCE_FLAG_INIT;
static int turn, times;
static _Atomic int destroyed;
static thread_local int mine = 3;

static void init(void) { times++; }
static void destroy(void *v) { destroyed += (int)(uintptr_t)v; }

static int worker(void *arg) {
	int me = (int)(uintptr_t)arg;
	CHECK(mine == 3 && thrd_current() == pthread_self());
	mine = me;
	call_once(&once, init);
	CHECK(tss_set(key, (void *)(uintptr_t)1) == thrd_success && tss_get(key) == (void *)1);
	CHECK(mtx_lock(&m) == thrd_success);
	while (turn != me)
		CHECK(cnd_wait(&c, &m) == thrd_success);
	turn++;
	CHECK(cnd_broadcast(&c) == thrd_success && mtx_unlock(&m) == thrd_success);
	thrd_yield();
	return -me;
}

int main(void) {
	thrd_t t[8];
	CHECK(mtx_init(&m, mtx_timed) == thrd_success && cnd_init(&c) == thrd_success && tss_create(&key, destroy) == thrd_success);
	for (int i = 7; i >= 0; i--)
		CHECK(thrd_create(&t[i], worker, (void *)i) == thrd_success);
	for (int i = 0; i < 8; i++) {
		int code = 1;
		CHECK(thrd_join(t[i], &code) == thrd_success && code == -i);
	}
	CHECK(times == 1 && destroyed == 8 && turn == 8 && mine == 3);

	mtx_t r;
	struct timespec past = {0}, soon = in_ms(CLOCK_REALTIME, 10);
	CHECK(mtx_init(&r, mtx_plain | mtx_recursive) == thrd_success && mtx_lock(&r) == thrd_success && mtx_trylock(&r) == thrd_success);
	CHECK(mtx_unlock(&r) == thrd_success && mtx_unlock(&r) == thrd_success);
	CHECK(mtx_lock(&m) == thrd_success && mtx_trylock(&m) == thrd_busy && mtx_timedlock(&m, &past) == thrd_timedout);
	CHECK(cnd_timedwait(&c, &m, &soon) == thrd_timedout && mtx_unlock(&m) == thrd_success);
	mtx_destroy(&m);
	cnd_destroy(&c);
	tss_delete(key);
	return OK();
}
