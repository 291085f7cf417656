// The libc's allocator has no locks in it; here is one around it. SPDX-License-Identifier: Apache-2.0
//
// The link options (see build.sh) send every call of these functions to __wrap_*, the libc's own included.
#include "internal.h"

#define WRAPPED(name, params, args)                                                                                             \
	void *__real_##name params;                                                                                                 \
	void *__wrap_##name params {                                                                                                \
		int locked = begin();                                                                                                   \
		void *got = __real_##name args;                                                                                         \
		end(locked);                                                                                                            \
		return got;                                                                                                             \
	}

HIDDEN word __spt_fork_heap;
#define heap __spt_fork_heap
static _Thread_local int inside; // of the allocator

// Before the first thread is made nobody competes; a program that never makes one does not pay.
static int begin(void) {
	inside = 1;
	if (!__atomic_load_n(&__spt_threaded, __ATOMIC_RELAXED))
		return 0;
	lock(&heap);
	return 1;
}
static void end(int locked) {
	inside = 0;
	if (locked)
		unlock(&heap);
}

WRAPPED(malloc, (size_t n), (n))
WRAPPED(calloc, (size_t n, size_t m), (n, m))
WRAPPED(realloc, (void *p, size_t n), (p, n))
WRAPPED(aligned_alloc, (size_t a, size_t n), (a, n))
// Aliases that parts of the libc use.
WRAPPED(__libc_malloc, (size_t n), (n))
WRAPPED(__libc_calloc, (size_t n, size_t m), (n, m))

int __real_posix_memalign(void **p, size_t a, size_t n);
int __wrap_posix_memalign(void **p, size_t a, size_t n) {
	int locked = begin(), e = __real_posix_memalign(p, a, n);
	end(locked);
	return e;
}

void __real_free(void *p), __real___libc_free(void *p);
void __wrap_free(void *p) {
	if (!p)
		return;
	int locked = begin();
	__real_free(p);
	end(locked);
}
void __wrap___libc_free(void *p) { __wrap_free(p); }

// The allocator's sbrk. It believes that what two calls give lies side by side, unless a call has failed once: from then on it
// asks for each region whole, and then by sbrk(0) where that ends. The program may grow the memory meanwhile, by any thread, so
// the first call fails, and sbrk(0) is the end of what was given and not that of the memory.
void *__real_sbrk(intptr_t n);
void *__wrap_sbrk(intptr_t n) {
	static int asked; // guarded like the allocator
	static char *end;
	if (!inside)
		return __real_sbrk(n);
	if (n == 0 && end)
		return end;
	if (n > 0 && !asked) {
		asked = 1;
		return (void *)-1;
	}
	char *p = __real_sbrk(n);
	if (n > 0 && p != (char *)-1)
		end = p + n;
	return p;
}
