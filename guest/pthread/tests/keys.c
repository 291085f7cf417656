// Thread-specific data and its destructors; pthread_once.
#include "check.h"
#include <limits.h>

static pthread_key_t k1, k2, stubborn;
static _Atomic int d1, d2, d3;
static void destroy1(void *v) {
	d1 += (int)(uintptr_t)v;
	CHECK(pthread_getspecific(k1) == NULL);
	CHECK(pthread_setspecific(k2, (void *)100) == 0); // gets a round of its own
}
static void destroy2(void *v) { d2 += (int)(uintptr_t)v; }
static void destroy_stubborn(void *v) {
	d3++;
	pthread_setspecific(stubborn, v);
}

static void *user(void *arg) {
	CHECK(pthread_getspecific(k1) == NULL && pthread_getspecific(k2) == NULL);
	CHECK(pthread_setspecific(k1, arg) == 0);
	CHECK(pthread_getspecific(k1) == arg);
	CHECK(pthread_setspecific(stubborn, arg) == 0);
	return NULL;
}

static pthread_barrier_t together;
static void *survivor(void *key) {
	CHECK(pthread_setspecific(*(pthread_key_t *)key, "old") == 0);
	pthread_barrier_wait(&together); // main deletes the key and makes it again
	pthread_barrier_wait(&together);
	return pthread_getspecific(*(pthread_key_t *)key);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int times;
static volatile int set_up;
static void init(void) {
	struct timespec t = {.tv_nsec = 5000000};
	nanosleep(&t, NULL);
	times++;
	set_up = 1;
}
static void *first(void *arg) {
	pthread_barrier_wait(&together);
	CHECK(pthread_once(&once, init) == 0 && set_up == 1);
	return arg;
}

int main(void) {
	CHECK(pthread_key_create(&k1, destroy1) == 0 && pthread_key_create(&k2, destroy2) == 0);
	CHECK(pthread_key_create(&stubborn, destroy_stubborn) == 0);
	pthread_t t[8];
	for (uintptr_t i = 0; i < 8; i++)
		t[i] = start(user, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	CHECK(d1 == 36 && d2 == 800 && d3 == 8 * PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(pthread_getspecific(k1) == NULL);

	CHECK(pthread_key_delete(stubborn) == 0 && pthread_key_delete(stubborn) == EINVAL);
	CHECK(pthread_setspecific(stubborn, &k1) == EINVAL && pthread_getspecific(stubborn) == NULL);

	pthread_key_t k, again, all[PTHREAD_KEYS_MAX];
	CHECK(pthread_barrier_init(&together, NULL, 2) == 0);
	CHECK(pthread_key_create(&k, NULL) == 0);
	pthread_t s = start(survivor, &k);
	pthread_barrier_wait(&together);
	CHECK(pthread_key_delete(k) == 0 && pthread_key_create(&again, NULL) == 0 && again == k);
	pthread_barrier_wait(&together);
	CHECK(finish(s) == NULL);
	CHECK(pthread_barrier_destroy(&together) == 0);

	int n = 0;
	while (pthread_key_create(&all[n], NULL) == 0)
		n++;
	CHECK(n == PTHREAD_KEYS_MAX - 3);
	while (n-- > 0)
		CHECK(pthread_key_delete(all[n]) == 0);

	CHECK(pthread_barrier_init(&together, NULL, 8) == 0);
	for (int i = 0; i < 8; i++)
		t[i] = start(first, NULL);
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	CHECK(times == 1);
	return OK();
}
