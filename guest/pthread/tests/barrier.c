// Barriers: rounds, one serial thread in each, more threads than places, destroying while others leave.
#include "check.h"
#include <stdlib.h>

enum { N = 7, ROUNDS = 1000 };
static pthread_barrier_t b;
static _Atomic int arrived[ROUNDS], serial[ROUNDS];

static void *rounds(void *arg) {
	for (int r = 0; r < ROUNDS; r++) {
		arrived[r]++;
		int e = pthread_barrier_wait(&b);
		CHECK(e == 0 || e == PTHREAD_BARRIER_SERIAL_THREAD);
		serial[r] += e != 0;
		CHECK(arrived[r] == N);
	}
	return arg;
}

static _Atomic int serials;
static void *any_round(void *arg) {
	serials += pthread_barrier_wait(arg) != 0;
	return NULL;
}

// Whoever is serial frees the barrier.
static void *use_and_free(void *arg) {
	pthread_barrier_t *p = arg;
	if (pthread_barrier_wait(p) != 0) {
		CHECK(pthread_barrier_destroy(p) == 0);
		memset(p, 0x55, sizeof *p);
		free(p);
	}
	return NULL;
}

int main(void) {
	pthread_t t[12];
	CHECK(pthread_barrier_init(&b, NULL, 0) == EINVAL);
	CHECK(pthread_barrier_init(&b, NULL, N) == 0);
	for (int i = 0; i < N; i++)
		t[i] = start(rounds, NULL);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	for (int r = 0; r < ROUNDS; r++)
		CHECK(serial[r] == 1);
	CHECK(pthread_barrier_destroy(&b) == 0);

	CHECK(pthread_barrier_init(&b, NULL, 3) == 0);
	for (int i = 0; i < 12; i++)
		t[i] = start(any_round, &b);
	for (int i = 0; i < 12; i++)
		finish(t[i]);
	CHECK(serials == 4 && pthread_barrier_destroy(&b) == 0);

	for (int r = 0; r < 300; r++) {
		pthread_barrier_t *p = malloc(sizeof *p);
		CHECK(pthread_barrier_init(p, NULL, 4) == 0);
		for (int i = 0; i < 4; i++)
			t[i] = start(use_and_free, p);
		for (int i = 0; i < 4; i++)
			finish(t[i]);
	}
	return OK();
}
