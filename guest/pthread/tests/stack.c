// Stacks in linear memory, used up to the end and beyond it, by the main thread or another one (first argument). The second argument says how:
//   fits      ends with ok: goes to the end in different ways, and back
//   recurse, large, alloca    end in a trap: go beyond it, in small steps, in one, and in one whose size is not known beforehand
// Built with names: the trap is one in the function of that name.
#include "check.h"

static char *low; // the stack's end

__attribute__((noinline)) static int touch(volatile char *p, int n) {
	p[0] = (char)n;
	p[n - 1] = 1;
	return p[0] + p[n / 2];
}

// recurse goes down until at most left bytes are free, in frames of 128 bytes and some.
__attribute__((noinline)) static int recurse(intptr_t left) {
	volatile char frame[128];
	int r = touch(frame, sizeof frame);
	if ((char *)frame - low > left)
		r += recurse(left);
	return r + touch(frame, 64);
}

__attribute__((noinline)) static int large(void) {
	volatile char frame[3 << 20]; // more than any of the stacks has
	return touch(frame, sizeof frame);
}

__attribute__((noinline)) static int alloca_(size_t n) {
	volatile char frame[n];
	return touch(frame, (int)n);
}

static void *fits(void *how) {
	(void)how;
	// Leaf functions have up to 128 bytes below their frame that nobody allocates.
	for (int i = 0; i < 3; i++) {
		recurse(600);
		volatile char here;
		alloca_((size_t)(&here - low) - 600);
		for (size_t n = 1; n < 5000; n += 77)
			alloca_(n);
	}
	return NULL;
}

static void *overrun(void *arg) {
	const char *how = arg;
	if (strcmp(how, "recurse") == 0)
		recurse(-1);
	else if (strcmp(how, "large") == 0)
		large();
	else if (strcmp(how, "alloca") == 0) {
		volatile char here;
		alloca_((size_t)(&here - low) + 64);
	}
	say("survived\n");
	return NULL;
}

int main(int argc, char **argv) {
	CHECK(argc == 3);
	void *(*f)(void *) = strcmp(argv[2], "fits") == 0 ? fits : overrun;
	if (strcmp(argv[1], "main") == 0) {
		low = 0; // build.sh puts the main thread's stack there
		f(argv[2]);
		return OK();
	}
	// The thread's stack lies in the middle, so that what it overwrites is nobody's.
	static _Alignas(16) char area[4 << 20];
	pthread_attr_t a;
	pthread_t t;
	low = area + (sizeof area - (64 << 10));
	for (int i = 0; i < 3; i++) {
		CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstack(&a, low, 32 << 10) == 0);
		CHECK(pthread_create(&t, &a, f, argv[2]) == 0);
		finish(t);
	}
	return OK();
}
