// 50,000 threads: one after the other, by several creators at once, and detached. Memory must not grow with their number.
#include "check.h"
#include <stdlib.h>

static void *twice(void *arg) { return (void *)((uintptr_t)arg * 2); }

static void *creator(void *arg) {
	for (uintptr_t i = 0; i < 2000; i++)
		CHECK(finish(start(twice, (void *)i)) == (void *)(i * 2));
	return arg;
}

static _Atomic int ended;
static void *count(void *arg) {
	char local[256]; // uses the stack up to the last moment
	memset(local, (int)(uintptr_t)arg, sizeof local);
	ended += local[255] == (char)(uintptr_t)arg;
	__builtin_wasm_memory_atomic_notify((int *)&ended, 1);
	return arg;
}

static void serial(uintptr_t n) {
	for (uintptr_t i = 0; i < n; i++)
		CHECK(finish(start(twice, (void *)i)) == (void *)(i * 2));
}

int main(void) {
	serial(100);
	size_t pages = __builtin_wasm_memory_size(0);
	serial(34900);
	CHECK(__builtin_wasm_memory_size(0) == pages);

	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		t[i] = start(creator, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);

	pthread_attr_t a;
	CHECK(pthread_attr_init(&a) == 0 && pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED) == 0);
	for (int i = 1; i <= 6000; i++) {
		pthread_t d;
		CHECK(pthread_create(&d, i % 2 ? &a : NULL, count, (void *)(uintptr_t)i) == 0);
		if (i % 2 == 0)
			CHECK(pthread_detach(d) == 0); // running or ended
		for (int n; (n = ended) < i - 3;)
			__builtin_wasm_memory_atomic_wait32((int *)&ended, n, -1);
	}
	for (int n; (n = ended) < 6000;)
		__builtin_wasm_memory_atomic_wait32((int *)&ended, n, -1);

	// Ended, then detached; and one thousand at once.
	for (int i = 0; i < 1000; i++) {
		int before = ended;
		pthread_t d = start(count, NULL);
		while (ended == before)
			__builtin_wasm_memory_atomic_wait32((int *)&ended, before, -1);
		CHECK(pthread_detach(d) == 0);
	}
	CHECK(__builtin_wasm_memory_size(0) < pages + 800);
	return OK();
}
