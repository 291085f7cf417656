// Semaphores: counting, time-outs, one that is freed by the thread that waited for it.
#include "check.h"
#include <semaphore.h>
#include <stdlib.h>

static sem_t places, items;
static _Atomic int inside, most;

static void *visit(void *arg) {
	for (int i = 0; i < 1500; i++) {
		if (i % 10 == 0) {
			struct timespec at;
			do
				at = in_ms(CLOCK_REALTIME, 1);
			while (sem_timedwait(&places, &at) != 0);
		} else {
			CHECK(sem_wait(&places) == 0);
		}
		int n = ++inside;
		CHECK(n <= 3);
		if (n > most)
			most = n;
		inside--;
		CHECK(sem_post(&places) == 0);
	}
	return arg;
}

static void *answer(void *s) {
	CHECK(sem_post(s) == 0);
	return NULL;
}

static void *drain(void *arg) {
	for (int i = 0; i < 1000; i++)
		CHECK(sem_wait(&items) == 0);
	return arg;
}

int main(void) {
	int v;
	CHECK(sem_init(&places, 0, 3) == 0 && sem_getvalue(&places, &v) == 0 && v == 3);
	for (int i = 0; i < 3; i++)
		CHECK(sem_trywait(&places) == 0);
	CHECK(sem_trywait(&places) == -1 && errno == EAGAIN);
	clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	for (int i = 0; i < 2; i++) {
		int64_t before = now_ns(clocks[i]);
		struct timespec at = in_ms(clocks[i], 15);
		CHECK(sem_clockwait(&places, clocks[i], &at) == -1 && errno == ETIMEDOUT && now_ns(clocks[i]) - before >= 15000000);
	}
	for (int i = 0; i < 3; i++)
		CHECK(sem_post(&places) == 0);

	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		t[i] = start(visit, NULL);
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	CHECK(most >= 1 && sem_getvalue(&places, &v) == 0 && v == 3);

	CHECK(sem_init(&items, 0, 0) == 0);
	for (int i = 0; i < 4; i++)
		t[i] = start(drain, NULL);
	for (int i = 0; i < 4000; i++)
		CHECK(sem_post(&items) == 0);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	CHECK(sem_getvalue(&items, &v) == 0 && v == 0);

	for (int i = 0; i < 1000; i++) {
		sem_t *s = malloc(sizeof *s);
		CHECK(sem_init(s, 0, 0) == 0);
		pthread_t p = start(answer, s);
		CHECK(sem_wait(s) == 0 && sem_destroy(s) == 0);
		memset(s, 0x55, sizeof *s);
		for (size_t j = 0; j < sizeof *s; j++)
			CHECK(((char *)s)[j] == 0x55);
		free(s);
		finish(p);
	}
	return OK();
}
