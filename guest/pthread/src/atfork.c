// pthread_atfork, over the hooks that hosts call around a fork: see guest/fork/spindle_fork.h. SPDX-License-Identifier: Apache-2.0
//
// Only programs that refer to pthread_atfork have the hooks. Around the handlers the layer looks after its own locks: the allocator must be whole in a child
// of which only one thread is left. Where a thread of the program itself forks, it holds them over the fork. Where the host does, the hooks may run on threads which the
// host starts, and whose stacks come from that allocator: then the locks are not taken, and a child in which a lost thread holds one of them is refused.
#include "internal.h"
#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(name)))

struct handlers {
	void (*prepare)(void), (*parent)(void), (*child)(void);
	struct handlers *before, *after;
};

static word guard; // of the list
static struct handlers *first, *last;
static int holding; // the layer's locks, since prepare

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
	struct handlers *h = malloc(sizeof *h);
	if (!h)
		return ENOMEM;
	lock(&guard);
	*h = (struct handlers){prepare, parent, child, last, NULL};
	*(last ? &last->after : &first) = h;
	last = h;
	unlock(&guard);
	return 0;
}

// The layer's locks, in their order. A program need not have all of them.
static word *const locks[] = {&__spt_fork_registry, &__spt_fork_files, &__spt_fork_list, &__spt_fork_heap};
enum { LOCKS = sizeof locks / sizeof *locks };

static void release(void) {
	if (!holding)
		return;
	holding = 0;
	for (int i = LOCKS; i-- > 0;)
		if (locks[i])
			unlock(locks[i]);
}

EXPORT("spindle_fork_prepare") int __spt_fork_prepare(void) {
	lock(&guard); // until the parent's or the child's hook, as handlers stay the same for all three
	for (struct handlers *h = last; h; h = h->before)
		if (h->prepare)
			h->prepare();
	if (__spt_self->claim == HOSTED)
		return 0;
	for (int i = 0; i < LOCKS; i++)
		if (locks[i])
			lock(locks[i]);
	holding = 1;
	return 0;
}

EXPORT("spindle_fork_parent") int __spt_fork_parent(void) {
	release();
	for (struct handlers *h = first; h; h = h->after)
		if (h->parent)
			h->parent();
	unlock(&guard);
	return 0;
}

EXPORT("spindle_fork_child") int __spt_fork_child(uint64_t generation, int threads) {
	if (threads == 1) {
		if (!holding)
			for (int i = 0; i < LOCKS; i++)
				if (locks[i] && load(locks[i]))
					return EBUSY;
		store(&__spt_live, __spt_self != &__spt_main); // the others are gone
	}
	release();
	for (struct handlers *h = first; h; h = h->after)
		if (h->child)
			h->child();
	if (load(&guard)) // not if the host has left prepare out
		unlock(&guard);
	return 0;
}
