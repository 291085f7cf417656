// Threads that would trap, exit or print later: none of them does once main has returned.
#include "check.h"
#include <stdlib.h>

static _Atomic int there;
static void arrive(void) {
	there++;
	__builtin_wasm_memory_atomic_notify((int *)&there, 1);
}
static void *sleeps(void *arg) {
	arrive();
	sleep(3600);
	__builtin_trap();
	return arg;
}
static void *times_out(void *arg) {
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec at = in_ms(CLOCK_REALTIME, 3600 * 1000);
	pthread_mutex_lock(&m);
	arrive();
	pthread_cond_timedwait(&c, &m, &at);
	exit(3);
	return arg;
}
static _Atomic unsigned n;
static void *counts(void *arg) {
	arrive();
	while (++n)
		;
	say("counted\n");
	_exit(4);
	return arg;
}

int main(void) {
	start(sleeps, NULL);
	start(times_out, NULL);
	start(counts, NULL);
	for (int have; (have = there) < 3;)
		__builtin_wasm_memory_atomic_wait32((int *)&there, have, -1);
	return OK();
}
