// What the files of this layer share. SPDX-License-Identifier: Apache-2.0
//
// Three rules hold everywhere:
//  - Whoever waits on an address re-checks its condition in a loop. An unlock or a post may notify an address after its
//    object has been freed (its last *write* lies before), so any waiter can be woken for nothing.
//  - Nothing is written to an object after the operation that lets another thread destroy it.
//  - Waits are memory.atomic.wait32; what spins does so for a few dozen rounds and then waits.
#ifndef SPT_INTERNAL_H
#define SPT_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define WEAK __attribute__((weak))

typedef volatile int word; // accessed by the functions below, except where it is known to be private

static inline int load(const word *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void store(word *p, int v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline int swap(word *p, int v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
static inline int add(word *p, int v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
// cas gives what it found: it has stored if that is from.
static inline int cas(word *p, int from, int to) {
	__atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return from;
}
static inline unsigned wake(word *p, unsigned n) { return (unsigned)__builtin_wasm_memory_atomic_notify((int *)p, n); } // how many
static inline void wait(word *p, int seen) { __builtin_wasm_memory_atomic_wait32((int *)p, seen, -1); }

#define ALL 0xFFFFFFFFu

// A deadline is absolute on one clock; at NULL is never.
typedef struct {
	clockid_t clock;
	const struct timespec *at;
} deadline;

#define NEVER ((deadline){0, NULL})

// wait_until waits while *p is seen. It gives 0 when woken or *p was different, ETIMEDOUT when the deadline has passed,
// EINVAL for a deadline that is none.
HIDDEN int __spt_wait_until(word *p, int seen, deadline d);

// A lock is a word. Whoever comes by may have an UNHELD one before those who wait, which is quick; but who waits in vain for too long is HUNGRY, and then
// the lock is GIVEN to one who has waited, and is that one's from then on. WAITED and HUNGRY are held, and perhaps waited for.
enum { UNHELD = 0, HELD = 1, WAITED = 2, HUNGRY = 3, GIVEN = 4 };
HIDDEN int __spt_lock_until(word *l, deadline d);
HIDDEN void __spt_unlock_waited(word *l);
static inline int trylock(word *l) { return cas(l, UNHELD, HELD) == UNHELD; }
static inline void lock(word *l) {
	if (!trylock(l))
		__spt_lock_until(l, NEVER);
}
static inline void unlock(word *l) {
	if (cas(l, HELD, UNHELD) != HELD)
		__spt_unlock_waited(l);
}

// A visitors word counts who is inside of an operation that touches its object after waiting, so that destroy can wait
// for them. Bit 31 says that destroy does. leave is the last touch of a visitor.
#define DESTROYING ((int)0x80000000)
static inline void enter(word *v) { add(v, 1); }
static inline void leave(word *v) {
	if (add(v, -1) == DESTROYING + 1)
		wake(v, ALL);
}
HIDDEN void __spt_await_visitors(word *v);

// The states of a descriptor. start.s stores DONE; keep them in step.
enum { FREE = 0, LIVE = 1, DONE = 2 };
// Who may still ask for a thread's result, and takes its memory away: see thread.c.
enum { JOINABLE, JOINING, DETACHED, ENDED, HOSTED };

// A thread's descriptor. Descriptors are only ever reused as descriptors, never freed: the last thing that a thread does
// is to wake its joiner at state, which may then be the state of the next thread that has this descriptor.
struct __pthread {
	char *stack_top; // offset 0, read by start.s
	char *tls;       // offset 4, read by start.s
	char *stack_low; // offset 8, read by hosts (start.s): the stack must stay above
	word state;      // offset 12, written by start.s
	word claim;
	void *block; // the memory of stack and TLS; NULL for the main thread, and where an unused descriptor has kept none
	size_t size; // of block
	void *(*fn)(void *);
	void *arg;
	void *result;
	struct __pthread *next;        // in the list of free or of detached descriptors
	struct __pthread *volatile joins; // whom it is waiting for
	struct __ptcb *cleanup;        // pthread_cleanup_push
	int tid;
	char name[16];
};

extern HIDDEN _Thread_local struct __pthread *__spt_self;
extern HIDDEN struct __pthread __spt_main;
extern HIDDEN word __spt_live;     // threads besides the main one that have not ended
extern HIDDEN word __spt_threaded; // has there ever been another thread, or can there be at any time?

// The libc's lazy set-ups, to be done before there is a second thread.
HIDDEN void __spt_before_threads(void);
// A thread's begin and end, whoever has made it.
HIDDEN void __spt_begin_thread(struct __pthread *t, int tid);
HIDDEN void __spt_end_thread(struct __pthread *t);
HIDDEN _Noreturn void __spt_die(const char *message); // writes it to standard error, and traps

// Called at the end of a thread, if the program has what they clean up.
WEAK HIDDEN void __spt_run_cxx_destructors(void);
WEAK HIDDEN void __spt_run_key_destructors(void);

// The locks that are held over a fork, of the files that the program has.
extern WEAK HIDDEN word __spt_fork_registry, __spt_fork_files, __spt_fork_list, __spt_fork_heap;

HIDDEN void __spt_init_attr(const pthread_attr_t *a, size_t *size, void **stack, int *detached);

#define MIN_STACK 2048

#endif
