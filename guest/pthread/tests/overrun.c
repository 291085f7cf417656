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
static void *run(void *arg) {
	recurse((int)(uintptr_t)arg);
	say("survived\n");
	return NULL;
}

int main(void) {
	pthread_attr_t a;
	pthread_t t;
	say("recursing\n");
	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, 16 << 10) == 0);
	CHECK(pthread_create(&t, &a, run, NULL) == 0);
	// Where nothing stops the thread at the end of its stack it overwrites all that is below, this thread's stack too, before it
	// gets to address 0: so this does nothing that could end the program first.
	static int nothing;
	for (;;)
		__builtin_wasm_memory_atomic_wait32(&nothing, 0, -1);
}
