// pthread_exit, and the handlers that it runs. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

HIDDEN _Noreturn void __spt_throw(void *);
HIDDEN _Noreturn void __spt_end_main(void *);

// The libc's _pthread_cleanup_push and _pop call these if they are there; without pthread_exit nobody reads the list.
void __do_cleanup_push(struct __ptcb *cb) {
	cb->__next = __spt_self->cleanup;
	__spt_self->cleanup = cb;
}
void __do_cleanup_pop(struct __ptcb *cb) { __spt_self->cleanup = cb->__next; }

_Noreturn void pthread_exit(void *result) {
	struct __pthread *self = __spt_self;
	if (self->claim == HOSTED) // its frames up to the host's call cannot be left
		__spt_die("pthread: pthread_exit in a thread that the host has started\n");
	for (struct __ptcb *cb; (cb = self->cleanup);) {
		self->cleanup = cb->__next;
		cb->__f(cb->__x);
	}
	if (self == &__spt_main)
		__spt_end_main(result);
	__spt_throw(result);
}
