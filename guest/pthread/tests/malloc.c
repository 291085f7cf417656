// The allocator under eight threads that pass blocks on to each other.
#include "check.h"
#include <stdlib.h>

enum { SLOTS = 512, ROUNDS = 6000 };
static unsigned char *_Atomic slots[SLOTS]; // each block begins with its size, and is filled with one byte

static void verify_and_free(unsigned char *p) {
	if (!p)
		return;
	uint32_t n;
	memcpy(&n, p, 4);
	for (uint32_t i = 5; i < n; i++)
		CHECK(p[i] == p[4]);
	free(p);
}

static void *hammer(void *arg) {
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	for (int i = 0; i < ROUNDS; i++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t n = 5 + (seed >> 8) % (i % 64 ? 200 : 20000);
		unsigned char *p;
		switch (seed >> 29) {
		case 0:
			p = calloc(n, 1);
			for (uint32_t j = 0; j < n; j++)
				CHECK(p[j] == 0);
			break;
		case 1:
			CHECK(posix_memalign((void **)&p, 256, n) == 0 && (uintptr_t)p % 256 == 0);
			break;
		case 2:
			p = malloc(5);
			memset(p, 0x77, 5);
			p = realloc(p, n);
			CHECK(p[0] == 0x77 && p[4] == 0x77);
			break;
		default:
			p = malloc(n);
		}
		CHECK(p != NULL);
		memset(p, (int)(seed >> 16), n);
		memcpy(p, &n, 4);
		verify_and_free(__c11_atomic_exchange(&slots[(seed >> 4) % SLOTS], p, 5));
	}
	return NULL;
}

int main(void) {
	pthread_t t[8];
	for (int round = 0; round < 3; round++) {
		for (uintptr_t i = 0; i < 8; i++)
			t[i] = start(hammer, (void *)(i + 8 * (uintptr_t)round));
		for (int i = 0; i < 8; i++)
			finish(t[i]);
	}
	for (int i = 0; i < SLOTS; i++)
		verify_and_free(slots[i]);
	// Too much is refused, and the allocator goes on. (The compiler may leave out what nobody looks at.)
	void *volatile p = malloc(0x7fff0000);
	CHECK(p == NULL);
	p = malloc(100);
	CHECK(p != NULL);
	free(p);
	return OK();
}
