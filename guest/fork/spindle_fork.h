/* The calls by which a guest forks itself under Spindle: include this, and nothing else is needed.
 *
 *	#include "spindle_fork.h"
 *
 *	int pid = spindle_fork(0);
 *	if (pid == 0) { ...the child...; _exit(0); }
 *	struct spindle_status st;
 *	spindle_wait(pid, 0, &st);
 *
 * A child is a copy of the whole guest as it was in the call: memory, stack, open files (shared, with their offsets, as POSIX has it). Errors are
 * negative errno values of WASI preview 1. */
#ifndef SPINDLE_FORK_H
#define SPINDLE_FORK_H

#include <stdint.h>

#define SPINDLE_IMPORT(name) __attribute__((import_module("spindle"), import_name(name)))

/* Flags of spindle_fork. */
#define SPINDLE_FORK_ALL 1 /* the child has all threads, not the calling one alone */

/* Flags of spindle_wait. */
#define SPINDLE_WAIT_NOHANG 1 /* return 0 if no child has ended */

struct spindle_status {
	uint32_t trapped; /* 0: code is what the child exited with; 1: it trapped */
	uint32_t code;
};

/* Returns the child's identifier in the parent and 0 in the child. */
SPINDLE_IMPORT("fork") int32_t spindle_fork(uint32_t flags);

/* Waits for the end of a child, 0 for any, and returns its identifier. status may be null. */
SPINDLE_IMPORT("wait") int32_t spindle_wait(uint32_t pid, uint32_t flags, struct spindle_status *status);

SPINDLE_IMPORT("pid") uint32_t spindle_pid(void);

/* The parent's identifier, 0 for a guest that no guest has forked. */
SPINDLE_IMPORT("parent") uint32_t spindle_parent(void);

/* How many forks lie between the first guest and this one. Whoever keeps seeds, keys or identities in memory compares it with the value that they were
 * made under, and makes them anew if it has changed. */
SPINDLE_IMPORT("generation") uint64_t spindle_generation(void);

/* Says that the guest is warmed up: here is the point to freeze it at. Returns 0 when it goes on as the original, 1 in each child that was made from
 * there, at any later time. */
SPINDLE_IMPORT("snapshot") int32_t spindle_snapshot(void);

/* Hooks: functions that a guest may define, as many of them as it has a use for, to be called around a fork, whoever asks for it. Each returns 0 to acknowledge; after
 * anything else, a trap, or too long a time there is no fork. A prototype below makes the definition an export:
 *
 *	int32_t spindle_fork_child(uint64_t generation, int32_t threads) { return reseed(); }
 *
 * prepare is called before, in the guest that is forked, while its other threads run; parent after it. child is called in the child before anything else of it,
 * with its generation and how many threads it has. If the guest has forked itself, they run on the thread that did. If the host does it, prepare and parent run on the
 * main thread if nobody is in it, otherwise on a thread of their own, for which the module exports malloc and free (guest/pthread: host.cfg); and child
 * runs on the main thread, wherever that stands, as a signal handler would: it should call only what is async-signal-safe, and not wait for a lock. No hook
 * can fork, and child can start no thread.
 *
 * Programs built with guest/pthread register handlers with pthread_atfork instead, which has these hooks. */
#define SPINDLE_HOOK(name) __attribute__((export_name(name)))

SPINDLE_HOOK("spindle_fork_prepare") int32_t spindle_fork_prepare(void);
SPINDLE_HOOK("spindle_fork_parent") int32_t spindle_fork_parent(void);
SPINDLE_HOOK("spindle_fork_child") int32_t spindle_fork_child(uint64_t generation, int32_t threads);

#endif
