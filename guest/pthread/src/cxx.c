// Destructors of C++ thread_local variables. SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include <stdlib.h>

struct entry {
	struct entry *next;
	void (*destructor)(void *);
	void *object;
};
static _Thread_local struct entry *entries;

int __cxa_thread_atexit(void (*destructor)(void *), void *object, void *dso) {
	struct entry *e = malloc(sizeof *e);
	if (!e)
		return -1;
	*e = (struct entry){entries, destructor, object};
	entries = e;
	return 0;
}

HIDDEN void __spt_run_cxx_destructors(void) {
	for (struct entry *e; (e = entries);) {
		entries = e->next;
		e->destructor(e->object);
		free(e);
	}
}
