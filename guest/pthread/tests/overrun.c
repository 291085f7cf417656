// A thread that recurses without end on a small stack. It must end in a trap and not in "survived": by the host, which watches
// the stack pointer or runs out of its own stack, or else below address 0.
#include "check.h"

static int recurse(int n) {
	volatile char frame[1024];
	frame[0] = (char)n;
	if (n < 0)
		return 0;
	int r = recurse(n + 1);
	return r + frame[0];
}
static void *run(void *arg) { return (void *)(intptr_t)recurse((int)(uintptr_t)arg); }

int main(void) {
	pthread_attr_t a;
	pthread_t t;
	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, 16 << 10) == 0);
	CHECK(pthread_create(&t, &a, run, NULL) == 0);
	say("recursing\n");
	finish(t);
	say("survived\n");
	return 0;
}
