// Thread-local variables: initial values, alignment, one of each for each thread.
#include "check.h"

static _Thread_local int initialised = 42, zero;
static _Thread_local _Alignas(64) char aligned[100] = "text";
static pthread_barrier_t together;

static void *user(void *arg) {
	int me = (int)(uintptr_t)arg;
	CHECK(initialised == 42 && zero == 0 && strcmp(aligned, "text") == 0 && (uintptr_t)aligned % 64 == 0);
	initialised = zero = me;
	memset(aligned, me, sizeof aligned);
	pthread_barrier_wait(&together);
	for (int i = 0; i < 100; i++) {
		CHECK(initialised == me && zero == me && aligned[0] == me && aligned[99] == me);
		sched_yield();
	}
	return aligned;
}

int main(void) {
	initialised = 7;
	pthread_t t[8];
	void *seen[8];
	CHECK(pthread_barrier_init(&together, NULL, 8) == 0);
	for (uintptr_t i = 0; i < 8; i++)
		t[i] = start(user, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		seen[i] = finish(t[i]);
	CHECK(initialised == 7 && zero == 0 && aligned[0] == 't' && seen[0] != aligned);
	return OK();
}
