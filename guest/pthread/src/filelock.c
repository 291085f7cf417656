// The locks of FILEs. SPDX-License-Identifier: Apache-2.0
#include "stdio.h"
#include <stdlib.h>

enum { BUCKETS = 64 };

HIDDEN word __spt_fork_files; // guards the lists' heads; their links never change once they are in
#define guard __spt_fork_files
static struct filelock *volatile lists[BUCKETS];

static struct filelock *find(struct filelock *l, FILE *f) {
	while (l && l->file != f)
		l = l->next;
	return l;
}

HIDDEN struct filelock *__spt_file(FILE *f) {
	struct filelock *volatile *list = &lists[(uintptr_t)f / 16 % BUCKETS];
	struct filelock *l = find(__atomic_load_n(list, __ATOMIC_ACQUIRE), f);
	if (l)
		return l;
	struct filelock *fresh = calloc(1, sizeof *fresh);
	if (!fresh)
		abort(); // these functions have no way to fail
	fresh->file = f;
	fresh->open = f == stdin || f == stdout || f == stderr;
	lock(&guard);
	l = find(*list, f);
	if (!l) {
		fresh->next = *list;
		__atomic_store_n(list, fresh, __ATOMIC_RELEASE);
		l = fresh;
		fresh = NULL;
	}
	unlock(&guard);
	free(fresh);
	return l;
}

HIDDEN int __spt_lock_file(struct filelock *l, deadline d) {
	if (l->owner == __spt_self) {
		l->count++;
		return 0;
	}
	if (!trylock(&l->held)) {
		int e = __spt_lock_until(&l->held, d);
		if (e)
			return e;
	}
	l->owner = __spt_self;
	return 0;
}

HIDDEN int __spt_try_file(struct filelock *l) {
	if (l->owner != __spt_self && !trylock(&l->held))
		return 0;
	if (l->owner == __spt_self)
		l->count++;
	l->owner = __spt_self;
	return 1;
}

HIDDEN void __spt_unlock_file(struct filelock *l) {
	if (l->count) {
		l->count--;
		return;
	}
	l->owner = NULL;
	unlock(&l->held);
}

HIDDEN void __spt_each_file(void (*fn)(struct filelock *)) {
	for (int i = 0; i < BUCKETS; i++)
		for (struct filelock *l = __atomic_load_n(&lists[i], __ATOMIC_ACQUIRE); l; l = l->next)
			fn(l);
}

void flockfile(FILE *f) { __spt_lock_file(__spt_file(f), NEVER); }
void funlockfile(FILE *f) { __spt_unlock_file(__spt_file(f)); }
int ftrylockfile(FILE *f) { return __spt_try_file(__spt_file(f)) ? 0 : -1; }
