// Threads: create, end, join, detach. SPDX-License-Identifier: Apache-2.0
//
// A thread's memory is one block, [stack][thread-local variables], and a descriptor. The block outlives every access of
// its thread: it is freed after start.s has stored DONE in the descriptor, which is the thread's last act but a
// notification. Joined threads are freed by the joiner; detached ones stand in a list and are freed by the next thread
// that is created or ends.
//
// claim says who takes the block away:
//   JOINABLE -> JOINING    join, which waits for DONE and frees
//   JOINABLE -> DETACHED   detach or the attribute; at its end the thread puts itself in the list
//   HOSTED                 a thread that the host has started: nobody's to join or detach
//   JOINABLE -> ENDED      the thread's end; then join -> JOINING, or detach -> DETACHED, which puts it in the list
#include "internal.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int __spt_host_spawn(struct __pthread *);
HIDDEN int __spt_import_spawn(struct __pthread *t) { return __spt_host_spawn(t); }
HIDDEN int __spt_spawn(struct __pthread *); // by way of start.s
HIDDEN void *__spt_call(void *(*)(void *), void *);
HIDDEN void __spt_thread_main(int tid, struct __pthread *t);

extern char __stack_low, __stack_high; // the main thread's, from the linker

HIDDEN struct __pthread __spt_main = {
	.stack_top = &__stack_high, .stack_low = &__stack_low, .state = LIVE, .claim = JOINABLE, .name = "main"};
HIDDEN _Thread_local struct __pthread *__spt_self = &__spt_main;
HIDDEN word __spt_live;

HIDDEN word __spt_fork_registry; // guards what follows
#define registry __spt_fork_registry
static struct __pthread *unused, *volatile detached;
static int kept; // blocks that unused descriptors have kept, for threads of the same size to come
enum { KEEP = 8 };

// Where the program has them.
WEAK void __wasilibc_ensure_environ(void);
WEAK void __wasilibc_populate_preopens(void);

HIDDEN void __spt_before_threads(void) {
	if (__wasilibc_ensure_environ)
		__wasilibc_ensure_environ();
	if (__wasilibc_populate_preopens)
		__wasilibc_populate_preopens();
}

// Guards of the stack's low end: looked at when the thread ends. A host that watches the stack pointer says more, sooner.
static const uint64_t guard = 0x5ca1ab1e0ddba11;

static void recycle(struct __pthread *t) {
	void *surplus = NULL;
	lock(&registry);
	if (t->block && kept == KEEP) {
		surplus = t->block;
		t->block = NULL;
	}
	kept += t->block != NULL;
	store(&t->state, FREE);
	t->next = unused;
	unused = t;
	unlock(&registry);
	free(surplus);
}

static void list_detached(struct __pthread *t) {
	lock(&registry);
	t->next = detached;
	detached = t;
	unlock(&registry);
}

// reap frees the detached threads that have left their stacks.
static void reap(void) {
	if (!__atomic_load_n(&detached, __ATOMIC_RELAXED))
		return;
	struct __pthread *gone = NULL;
	lock(&registry);
	for (struct __pthread *volatile *p = &detached, *t; (t = *p);) {
		if (load(&t->state) == DONE) {
			*p = t->next;
			t->next = gone;
			gone = t;
		} else {
			p = (struct __pthread *volatile *)&t->next;
		}
	}
	unlock(&registry);
	while (gone) {
		struct __pthread *t = gone;
		gone = t->next;
		recycle(t);
	}
}

static struct __pthread *new_descriptor(void) {
	lock(&registry);
	struct __pthread *t = unused;
	if (t) {
		unused = t->next;
		kept -= t->block != NULL;
	}
	unlock(&registry);
	if (!t) {
		if (!(t = malloc(sizeof *t)))
			return NULL;
		t->block = NULL;
	}
	// state is not touched: the last owner of the descriptor may still be about to notify it.
	t->joins = NULL;
	t->cleanup = NULL;
	t->result = NULL;
	t->name[0] = 0;
	return t;
}

// spawn asks for the thread. Where the number of threads is bounded, those that have stored DONE may count until they have
// left the host as well, so a refusal is doubted for a few milliseconds.
static int spawn(struct __pthread *t) {
	int tid;
	word nobody = 0;
	for (int i = 0; (tid = __spt_spawn(t)) < 0 && i < 20; i++)
		__builtin_wasm_memory_atomic_wait32((int *)&nobody, 0, 250000);
	return tid;
}

int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attr, void *(*fn)(void *), void *restrict arg) {
	size_t size;
	void *stack;
	int detach;
	__spt_init_attr(attr, &size, &stack, &detach);
	reap();
	if (!load(&__spt_threaded)) {
		__spt_before_threads();
		store(&__spt_threaded, 1);
	}
	struct __pthread *t = new_descriptor();
	if (!t)
		return EAGAIN;
	size_t align = __builtin_wasm_tls_align(), tls = __builtin_wasm_tls_size();
	if (align < 16)
		align = 16;
	size = (size + 15) & ~(size_t)15;
	size_t need = (stack ? 0 : size) + tls + align;
	if (size > (size_t)-1 - tls - align - 15) {
		recycle(t);
		return EAGAIN;
	}
	if (t->block && t->size != need) {
		free(t->block);
		t->block = NULL;
	}
	if (!t->block && !(t->block = malloc(t->size = need))) {
		recycle(t);
		return EAGAIN;
	}
	t->stack_low = stack ? stack : (char *)(((uintptr_t)t->block + 15) & ~(uintptr_t)15);
	t->stack_top = t->stack_low + size;
	t->tls = (char *)(((uintptr_t)(stack ? t->block : t->stack_top) + align - 1) & ~(uintptr_t)(align - 1));
	if (stack)
		t->stack_top = (char *)((uintptr_t)t->stack_top & ~(uintptr_t)15);
	t->fn = fn;
	t->arg = arg;
	store(&t->claim, detach ? DETACHED : JOINABLE);
	store(&t->state, LIVE);
	add(&__spt_live, 1);
	*out = t;
	if (spawn(t) < 0) {
		if (add(&__spt_live, -1) == 1)
			wake(&__spt_live, ALL);
		recycle(t);
		return EAGAIN;
	}
	return 0;
}

static void run_destructors(void) {
	if (__spt_run_cxx_destructors)
		__spt_run_cxx_destructors();
	if (__spt_run_key_destructors)
		__spt_run_key_destructors();
}

static uint64_t *guard_of(struct __pthread *t) { return (uint64_t *)(((uintptr_t)t->stack_low + 7) & ~(uintptr_t)7); }

HIDDEN void __spt_begin_thread(struct __pthread *t, int tid) {
	__spt_self = t;
	t->tid = tid;
	*guard_of(t) = guard;
}

// A thread counts among the living until nothing of the program's runs on it any more.
HIDDEN void __spt_end_thread(struct __pthread *t) {
	run_destructors();
	if (*guard_of(t) != guard)
		__spt_die("pthread: a thread has overrun its stack\n");
	reap();
	if (cas(&t->claim, JOINABLE, ENDED) == DETACHED)
		list_detached(t);
	if (add(&__spt_live, -1) == 1)
		wake(&__spt_live, ALL);
}

HIDDEN _Noreturn void __spt_die(const char *message) {
	write(2, message, strlen(message));
	__builtin_trap();
}

// __spt_thread_main is what start.s calls. After it returns the thread has no use for its stack any more.
HIDDEN void __spt_thread_main(int tid, struct __pthread *t) {
	__spt_begin_thread(t, tid);
	t->result = __spt_call(t->fn, t->arg);
	__spt_end_thread(t);
}

// __spt_end_main is pthread_exit of the main thread: the process lives as long as any thread does.
HIDDEN _Noreturn void __spt_end_main(void *result) {
	run_destructors();
	__spt_main.result = result;
	store(&__spt_main.state, DONE);
	wake(&__spt_main.state, ALL);
	for (int n; (n = load(&__spt_live)) != 0;)
		wait(&__spt_live, n);
	exit(0);
}

static int join_until(pthread_t t, void **result, deadline d, int once) {
	struct __pthread *self = __spt_self;
	if (!t || load(&t->state) == FREE)
		return ESRCH;
	if (t == self || t->joins == self)
		return EDEADLK;
	int c = load(&t->claim);
	if (c != JOINABLE && c != ENDED)
		return EINVAL;
	if (once && load(&t->state) != DONE)
		return EBUSY;
	if (d.at) { // claimed only after it is DONE: a thread that has ended never comes back to JOINABLE
		while (load(&t->state) != DONE) {
			int e = __spt_wait_until(&t->state, LIVE, d);
			if (e)
				return e;
		}
	}
	if (cas(&t->claim, c, JOINING) != c && (c == ENDED || cas(&t->claim, ENDED, JOINING) != ENDED))
		return EINVAL;
	self->joins = t;
	while (load(&t->state) != DONE)
		wait(&t->state, LIVE);
	self->joins = NULL;
	if (result)
		*result = t->result;
	if (t != &__spt_main)
		recycle(t);
	return 0;
}

int pthread_join(pthread_t t, void **result) { return join_until(t, result, NEVER, 0); }
int pthread_tryjoin_np(pthread_t t, void **result) { return join_until(t, result, NEVER, 1); }
int pthread_timedjoin_np(pthread_t t, void **result, const struct timespec *at) {
	return join_until(t, result, (deadline){CLOCK_REALTIME, at}, 0);
}

int pthread_detach(pthread_t t) {
	if (!t || load(&t->state) == FREE)
		return ESRCH;
	int c = cas(&t->claim, JOINABLE, DETACHED);
	if (c == JOINABLE)
		return 0;
	if (c != ENDED || cas(&t->claim, ENDED, DETACHED) != ENDED)
		return EINVAL;
	if (t != &__spt_main)
		list_detached(t);
	return 0;
}

pthread_t pthread_self(void) { return __spt_self; }
#undef pthread_equal
int pthread_equal(pthread_t a, pthread_t b) { return a == b; }

int pthread_setname_np(pthread_t t, const char *name) {
	size_t n = strnlen(name, sizeof t->name);
	if (n == sizeof t->name)
		return ERANGE;
	memcpy(t->name, name, n + 1);
	return 0;
}

int pthread_getname_np(pthread_t t, char *name, size_t size) {
	size_t n = strlen(t->name) + 1;
	if (size < n)
		return ERANGE;
	memcpy(name, t->name, n);
	return 0;
}

int pthread_getattr_np(pthread_t t, pthread_attr_t *a) {
	pthread_attr_init(a);
	pthread_attr_setstack(a, t->stack_low, (size_t)(t->stack_top - t->stack_low));
	return pthread_attr_setdetachstate(a, load(&t->claim) == DETACHED || t->claim == HOSTED ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
}
