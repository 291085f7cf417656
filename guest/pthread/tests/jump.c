// longjmp and its like take the stack pointer up again from anywhere, in the main thread and in others.
#include "check.h"
#include <setjmp.h>

struct place {
	jmp_buf env;
	volatile char *low;
	volatile int deepest;
};

__attribute__((noinline)) static void down(struct place *p, int n) {
	volatile char frame[200];
	frame[n % 200] = (char)n;
	if (&frame[0] - p->low < 1200) {
		p->deepest = n;
		longjmp(p->env, n);
	}
	down(p, n + 1);
	frame[0]++;
}

static void *run(void *low) {
	for (volatile int i = 0; i < 200; i++) {
		volatile char here[100];
		struct place p;
		p.low = low;
		here[i % 100] = (char)i;
		int n = setjmp(p.env);
		if (n == 0) {
			volatile char more[16 * (i % 7 + 1)];
			more[0] = 1;
			down(&p, more[0]);
			return "came back";
		}
		CHECK(n == p.deepest && n > 10 && here[i % 100] == (char)i);
	}
	return NULL;
}

static void *thread(void *arg) {
	(void)arg;
	pthread_attr_t a;
	void *low;
	size_t size;
	CHECK(pthread_getattr_np(pthread_self(), &a) == 0 && pthread_attr_getstack(&a, &low, &size) == 0);
	return run(low);
}

int main(void) {
	CHECK(run(NULL) == NULL);
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		t[i] = start(thread, NULL);
	for (int i = 0; i < 3; i++)
		CHECK(finish(t[i]) == NULL);
	return OK();
}
