// Threads until the host refuses one: pthread_create says so, and nothing is lost. When they have left there is room for as many again.
#include "check.h"
#include <stdlib.h>

enum { MOST = 1000 };
static pthread_t t[MOST];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *wait_at_gate(void *arg) {
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return arg;
}

static int fill(void) {
	int n = 0, e = 0;
	pthread_mutex_lock(&gate);
	while (n < MOST && (e = pthread_create(&t[n], NULL, wait_at_gate, (void *)(uintptr_t)n)) == 0)
		n++;
	CHECK(n == MOST || e == EAGAIN);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			CHECK(!pthread_equal(t[i], t[j]));
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < n; i++)
		CHECK(finish(t[i]) == (void *)(uintptr_t)i);
	return n;
}

int main(void) {
	int first = fill();
	CHECK(first > 0);
	size_t pages = __builtin_wasm_memory_size(0);
	for (int full = 0; full < 5;) {
		int n = fill(); // fewer while those before are still leaving
		CHECK(n <= first);
		full += n == first;
	}
	CHECK(__builtin_wasm_memory_size(0) == pages);
	return OK();
}
