// A thread that overruns its stack by little and comes back: noticed at its end at the latest, and a trap.
#include "check.h"

static void *run(void *arg) {
	volatile char frame[15 << 10];
	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = 1;
	return frame[77] + (char *)arg;
}

// The thread's stack lies in the middle, so that what it overwrites is nobody's.
static _Alignas(16) char area[64 << 10];

int main(void) {
	pthread_attr_t a;
	pthread_t t;
	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstack(&a, area + sizeof area / 2, 8 << 10) == 0);
	CHECK(pthread_create(&t, &a, run, NULL) == 0);
	finish(t);
	say("survived\n");
	return 0;
}
