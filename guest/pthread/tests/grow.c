// Four threads grow the memory while four copy: nobody gets another's pages, nothing that is copied is torn out.
#include "check.h"
#include <stdlib.h>

enum { PAGE = 65536, GROWS = 60 };
static _Atomic int growing = 4;
static uintptr_t got[4][GROWS];

static void *grow(void *arg) {
	uintptr_t me = (uintptr_t)arg;
	for (int i = 0; i < GROWS; i++) {
		size_t old = __builtin_wasm_memory_grow(0, 1 + (size_t)i % 3);
		CHECK(old != (size_t)-1);
		unsigned char *p = (unsigned char *)(old * PAGE);
		got[me][i] = (uintptr_t)p;
		for (int page = 0; page <= i % 3; page++)
			CHECK(p[page * PAGE] == 0 && p[page * PAGE + PAGE - 1] == 0);
		memset(p, (int)me + 1, (1 + (size_t)i % 3) * PAGE);
	}
	growing--;
	return NULL;
}

static void *copy(void *arg) {
	unsigned char *a = malloc(4 * PAGE), *b = malloc(4 * PAGE), fill = (unsigned char)(uintptr_t)arg;
	CHECK(a && b);
	do {
		memset(a, ++fill, 4 * PAGE);
		memcpy(b, a, 4 * PAGE);
		memmove(b + 1, b, 4 * PAGE - 1);
		CHECK(memcmp(a, b, 4 * PAGE) == 0);
	} while (growing);
	free(a);
	free(b);
	return NULL;
}

int main(void) {
	pthread_t t[8];
	for (uintptr_t i = 0; i < 8; i++)
		t[i] = start(i < 4 ? grow : copy, (void *)(i % 4));
	for (int i = 0; i < 8; i++)
		finish(t[i]);
	for (int me = 0; me < 4; me++)
		for (int i = 0; i < GROWS; i++)
			for (size_t j = 0; j < (1 + (size_t)i % 3) * PAGE; j += PAGE / 2)
				CHECK(((unsigned char *)got[me][i])[j] == me + 1);
	return OK();
}
