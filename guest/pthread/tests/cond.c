// Condition variables: time-outs on both clocks, no lost signal, broadcast, destroying right after a broadcast.
#include "check.h"
#include <stdlib.h>

static void timeouts(void) {
	clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	for (int i = 0; i < 2; i++) {
		pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
		pthread_cond_t c;
		pthread_condattr_t a;
		clockid_t back;
		CHECK(pthread_condattr_init(&a) == 0 && pthread_condattr_setclock(&a, clocks[i]) == 0);
		CHECK(pthread_condattr_getclock(&a, &back) == 0 && back == clocks[i]);
		CHECK(pthread_cond_init(&c, &a) == 0 && pthread_mutex_lock(&m) == 0);
		for (int ms = -5; ms <= 30; ms += 5) {
			int64_t before = now_ns(clocks[i]);
			struct timespec at = in_ms(clocks[i], ms);
			int e;
			while ((e = pthread_cond_timedwait(&c, &m, &at)) == 0)
				;
			CHECK(e == ETIMEDOUT && now_ns(clocks[i]) - before >= (int64_t)ms * 1000000);
			CHECK(pthread_mutex_trylock(&m) == EBUSY);
		}
		struct timespec at = in_ms(clocks[!i], 10), bad = {.tv_nsec = -1};
		CHECK(pthread_cond_clockwait(&c, &m, clocks[!i], &at) == ETIMEDOUT);
		CHECK(pthread_cond_timedwait(&c, &m, &bad) == EINVAL);
		CHECK(pthread_mutex_unlock(&m) == 0 && pthread_cond_destroy(&c) == 0);
	}
}

// A queue of one place, four producers, four consumers, signals only.
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int place;
static long long sum;
enum { ITEMS = 4000 };
static void *produce(void *arg) {
	for (int i = 1; i <= ITEMS; i++) {
		pthread_mutex_lock(&m);
		while (place)
			pthread_cond_wait(&emptied, &m);
		place = i;
		pthread_cond_signal(&filled);
		pthread_mutex_unlock(&m);
	}
	return arg;
}
static void *consume(void *arg) {
	for (int i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&m);
		while (!place) {
			if (i % 3) {
				pthread_cond_wait(&filled, &m);
			} else {
				struct timespec at = in_ms(CLOCK_REALTIME, i % 2);
				pthread_cond_timedwait(&filled, &m, &at);
			}
		}
		sum += place;
		place = 0;
		pthread_mutex_unlock(&m);
		pthread_cond_signal(&emptied);
	}
	return arg;
}

// A gate that is freed, and its memory scribbled over, by whoever opened it.
struct gate {
	pthread_mutex_t m;
	pthread_cond_t c;
	int open, passed;
};
static void *pass(void *arg) {
	struct gate *g = arg;
	pthread_mutex_lock(&g->m);
	g->passed++;
	while (!g->open)
		pthread_cond_wait(&g->c, &g->m);
	g->passed--;
	pthread_mutex_unlock(&g->m);
	return NULL;
}
static void gates(void) {
	for (int round = 0; round < 200; round++) {
		struct gate *g = calloc(1, sizeof *g);
		pthread_t t[6];
		for (int i = 0; i < 6; i++)
			t[i] = start(pass, g);
		for (int in = 0; in < 6;) {
			pthread_mutex_lock(&g->m);
			in = g->passed;
			pthread_mutex_unlock(&g->m);
			sched_yield(); // the mutex is not fair
		}
		pthread_mutex_lock(&g->m);
		g->open = 1;
		CHECK(pthread_cond_broadcast(&g->c) == 0);
		pthread_mutex_unlock(&g->m);
		CHECK(pthread_cond_destroy(&g->c) == 0);
		memset(&g->c, 0x55, sizeof g->c);
		for (int i = 0; i < 6; i++)
			finish(t[i]);
		for (size_t i = 0; i < sizeof g->c; i++)
			CHECK(((char *)&g->c)[i] == 0x55);
		free(g);
	}
}

// Ping-pong: a lost signal hangs.
static int turn;
static void *pong(void *arg) {
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&m);
		while (turn != 1)
			pthread_cond_wait(&filled, &m);
		turn = 0;
		pthread_cond_signal(&emptied);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

int main(void) {
	timeouts();
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		t[i] = start(i % 2 ? produce : consume, NULL);
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	CHECK(sum == 4LL * ITEMS * (ITEMS + 1) / 2);
	gates();
	t[0] = start(pong, NULL);
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&m);
		turn = 1;
		pthread_cond_signal(&filled);
		while (turn != 0)
			pthread_cond_wait(&emptied, &m);
		pthread_mutex_unlock(&m);
	}
	finish(t[0]);
	return OK();
}
