// Mutexes of each kind, by one thread and contended; time-outs; spin locks.
#include "check.h"

static pthread_mutex_t of_type(int type) {
	pthread_mutex_t m;
	pthread_mutexattr_t a;
	int back;
	CHECK(pthread_mutexattr_init(&a) == 0);
	CHECK(pthread_mutexattr_settype(&a, type) == 0);
	CHECK(pthread_mutexattr_gettype(&a, &back) == 0 && back == type);
	CHECK(pthread_mutex_init(&m, &a) == 0);
	CHECK(pthread_mutexattr_destroy(&a) == 0);
	return m;
}

static void *try_it(void *m) { return (void *)(intptr_t)pthread_mutex_trylock(m); }
static void *unlock_it(void *m) { return (void *)(intptr_t)pthread_mutex_unlock(m); }
static int elsewhere(void *(*fn)(void *), pthread_mutex_t *m) { return (int)(intptr_t)finish(start(fn, m)); }

static void kinds(void) {
	pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER;
	CHECK(pthread_mutex_lock(&n) == 0 && pthread_mutex_trylock(&n) == EBUSY);
	CHECK(pthread_mutex_destroy(&n) == EBUSY);
	CHECK(elsewhere(try_it, &n) == EBUSY);
	CHECK(pthread_mutex_unlock(&n) == 0 && pthread_mutex_destroy(&n) == 0);

	pthread_mutex_t r = of_type(PTHREAD_MUTEX_RECURSIVE);
	CHECK(pthread_mutex_lock(&r) == 0 && pthread_mutex_lock(&r) == 0 && pthread_mutex_trylock(&r) == 0);
	CHECK(elsewhere(try_it, &r) == EBUSY && elsewhere(unlock_it, &r) == EPERM);
	for (int i = 0; i < 3; i++) {
		CHECK(elsewhere(try_it, &r) == EBUSY);
		CHECK(pthread_mutex_unlock(&r) == 0);
	}
	CHECK(pthread_mutex_unlock(&r) == EPERM);
	CHECK(elsewhere(try_it, &r) == 0); // and it ends with it

	pthread_mutex_t e = of_type(PTHREAD_MUTEX_ERRORCHECK);
	CHECK(pthread_mutex_unlock(&e) == EPERM);
	CHECK(pthread_mutex_lock(&e) == 0 && pthread_mutex_lock(&e) == EDEADLK && pthread_mutex_trylock(&e) == EBUSY);
	CHECK(elsewhere(unlock_it, &e) == EPERM && elsewhere(try_it, &e) == EBUSY);
	CHECK(pthread_mutex_unlock(&e) == 0);
}

static void timeouts(void) {
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	struct timespec bad = {.tv_nsec = 1000000000}, past = {0};
	CHECK(pthread_mutex_timedlock(&m, &bad) == 0); // no need to wait, no need to look
	CHECK(pthread_mutex_timedlock(&m, &bad) == EINVAL);
	CHECK(pthread_mutex_timedlock(&m, &past) == ETIMEDOUT);
	clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	for (int i = 0; i < 2; i++) {
		int64_t before = now_ns(clocks[i]);
		struct timespec at = in_ms(clocks[i], 20);
		CHECK(pthread_mutex_clocklock(&m, clocks[i], &at) == ETIMEDOUT);
		CHECK(now_ns(clocks[i]) - before >= 20000000);
	}
	CHECK(pthread_mutex_unlock(&m) == 0 && pthread_mutex_timedlock(&m, &past) == 0 && pthread_mutex_unlock(&m) == 0);
}

// 8 threads add to two plain words; some give up waiting and try again.
static pthread_mutex_t shared;
static pthread_spinlock_t spin;
static volatile long under_mutex, under_spin;
static void *hammer(void *arg) {
	for (int i = 0; i < 3000; i++) {
		if (i % 50 == 0) {
			struct timespec at = in_ms(CLOCK_REALTIME, 0);
			while (pthread_mutex_timedlock(&shared, &at) == ETIMEDOUT)
				at = in_ms(CLOCK_REALTIME, 1);
		} else if (i % 7 == 0) {
			while (pthread_mutex_trylock(&shared) == EBUSY)
				;
		} else {
			CHECK(pthread_mutex_lock(&shared) == 0);
		}
		under_mutex = under_mutex + 1;
		CHECK(pthread_mutex_unlock(&shared) == 0);
		CHECK(pthread_spin_lock(&spin) == 0);
		under_spin = under_spin + 1;
		CHECK(pthread_spin_unlock(&spin) == 0);
	}
	return arg;
}

int main(void) {
	kinds();
	timeouts();
	CHECK(pthread_spin_init(&spin, 0) == 0 && pthread_spin_trylock(&spin) == 0 && pthread_spin_trylock(&spin) == EBUSY);
	CHECK(pthread_spin_unlock(&spin) == 0);
	for (int type = PTHREAD_MUTEX_NORMAL; type <= PTHREAD_MUTEX_ERRORCHECK; type++) {
		pthread_t t[8];
		shared = of_type(type);
		under_mutex = under_spin = 0;
		for (int i = 0; i < 8; i++)
			t[i] = start(hammer, NULL);
		for (int i = 0; i < 8; i++)
			finish(t[i]);
		CHECK(under_mutex == 8 * 3000 && under_spin == 8 * 3000);
		CHECK(pthread_mutex_destroy(&shared) == 0);
	}
	return OK();
}
