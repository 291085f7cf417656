// Attributes, stacks, and the errors of create, join and detach.
#include "check.h"
#include <stdlib.h>

static uintptr_t where(void) { return (uintptr_t)__builtin_frame_address(0); }

struct bounds {
	char *low;
	size_t size;
};
static void *in_bounds(void *arg) {
	struct bounds *b = arg;
	pthread_attr_t a;
	void *low;
	size_t size;
	CHECK(pthread_getattr_np(pthread_self(), &a) == 0 && pthread_attr_getstack(&a, &low, &size) == 0);
	CHECK(where() > (uintptr_t)low && where() < (uintptr_t)low + size);
	CHECK(size <= b->size && size > b->size - 64);
	if (b->low)
		CHECK(low == b->low);
	return pthread_self();
}

static void *deep_enough(void *arg) {
	volatile char block[900 << 10]; // of 1 MiB
	memset((char *)block, 1, sizeof block);
	return (void *)(uintptr_t)(block[5] + (arg != NULL));
}

static void *join_me(void *t) { return (void *)(intptr_t)pthread_join((pthread_t)t, NULL); }
static _Atomic int go;
static void *wait_for_go(void *arg) {
	while (!go)
		__builtin_wasm_memory_atomic_wait32((int *)&go, 0, -1);
	return arg;
}

int main(void) {
	pthread_attr_t a;
	pthread_t t;
	void *r;
	size_t n;
	int s;
	CHECK(pthread_attr_init(&a) == 0);
	CHECK(pthread_attr_setstacksize(&a, 100) == EINVAL && pthread_attr_setdetachstate(&a, 5) == EINVAL);
	CHECK(pthread_attr_setstacksize(&a, 40 << 10) == 0 && pthread_attr_getstacksize(&a, &n) == 0 && n == 40 << 10);
	CHECK(pthread_attr_getdetachstate(&a, &s) == 0 && s == PTHREAD_CREATE_JOINABLE);
	struct bounds b = {NULL, 40 << 10};
	CHECK(pthread_create(&t, &a, in_bounds, &b) == 0 && finish(t) == (void *)t);

	b = (struct bounds){malloc(20 << 10), 20 << 10};
	CHECK(pthread_attr_setstack(&a, b.low, b.size) == 0 && pthread_create(&t, &a, in_bounds, &b) == 0 && finish(t) == (void *)t);
	free(b.low);

	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setstacksize(&a, 1 << 20) == 0);
	CHECK(pthread_create(&t, &a, deep_enough, NULL) == 0 && finish(t) == (void *)1);
	// More than there can be is refused; the next is not.
	CHECK(pthread_attr_setstacksize(&a, 0x7ff00000) == 0 && pthread_create(&t, &a, deep_enough, NULL) == EAGAIN);
	CHECK(pthread_setattr_default_np(&a) == 0 && pthread_create(&t, NULL, deep_enough, NULL) == EAGAIN);
	CHECK(pthread_attr_setstacksize(&a, 1 << 20) == 0 && pthread_setattr_default_np(&a) == 0);
	CHECK(finish(start(deep_enough, &a)) == (void *)2);

	CHECK(pthread_join(pthread_self(), NULL) == EDEADLK);
	pthread_t main_thread = pthread_self();
	CHECK(pthread_equal(main_thread, pthread_self()));
	t = start(wait_for_go, NULL);
	CHECK(!pthread_equal(t, main_thread));
	CHECK(pthread_tryjoin_np(t, &r) == EBUSY);
	struct timespec at = in_ms(CLOCK_REALTIME, 10);
	CHECK(pthread_timedjoin_np(t, &r, &at) == ETIMEDOUT);
	CHECK(pthread_setname_np(t, "worker") == 0 && pthread_setname_np(t, "a name of sixteen") == ERANGE);
	char name[16];
	CHECK(pthread_getname_np(t, name, sizeof name) == 0 && strcmp(name, "worker") == 0);

	pthread_t joiner = start(join_me, t);
	do { // until the joiner has it
		at = in_ms(CLOCK_REALTIME, 1);
		s = pthread_timedjoin_np(t, &r, &at);
	} while (s == ETIMEDOUT);
	CHECK(s == EINVAL && pthread_detach(t) == EINVAL);
	go = 1;
	__builtin_wasm_memory_atomic_notify((int *)&go, -1);
	CHECK(finish(joiner) == 0);

	// Timed join of one that is ending, and a detached one.
	t = start(wait_for_go, &go);
	at = in_ms(CLOCK_REALTIME, 60000);
	CHECK(pthread_timedjoin_np(t, &r, &at) == 0 && r == &go);
	CHECK(pthread_join(t, NULL) == ESRCH && pthread_detach(t) == ESRCH);
	go = 0;
	t = start(wait_for_go, NULL);
	CHECK(pthread_detach(t) == 0 && pthread_detach(t) == EINVAL && pthread_join(t, NULL) == EINVAL);
	go = 1;
	__builtin_wasm_memory_atomic_notify((int *)&go, -1);
	return OK();
}
