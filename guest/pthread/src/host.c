// Threads that the host starts on a program's exports. SPDX-License-Identifier: Apache-2.0
//
// The host gives such a thread a stack and thread-local variables, out of this module's malloc, and calls the hooks below around the export. It may
// do so at any moment, before the program's start too: so whatever is done lazily elsewhere, before the first pthread_create, is done
// from the start in programs that have this file. The linker takes it if asked to (host.cfg).
#include "internal.h"
#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name)))

// The allocator takes its lock from its first call on.
HIDDEN word __spt_threaded = 1;

static word ready; // the program's constructors have run

// The last one, as the linker takes files of a library after the program's own.
__attribute__((constructor)) static void begin_program(void) {
	__spt_before_threads();
	store(&ready, 1);
	wake(&ready, ALL);
}

// The descriptor goes with the thread's variables: nobody else can wait for this thread.
static _Thread_local struct __pthread self;

EXPORT("__host_thread_begin") void __host_thread_begin(int tid, char *low, char *high) {
	self.stack_low = low;
	self.stack_top = high;
	self.claim = HOSTED;
	self.state = LIVE;
	__spt_begin_thread(&self, tid);
	add(&__spt_live, 1);
	while (!load(&ready))
		wait(&ready, 0);
}

EXPORT("__host_thread_end") void __host_thread_end(void) { __spt_end_thread(&self); }

EXPORT("malloc") void *__host_malloc(size_t n) { return malloc(n); }
EXPORT("free") void __host_free(void *p) { free(p); }
