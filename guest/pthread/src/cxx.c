// C++: thread_local destructors, things done once, atomic waiting. SPDX-License-Identifier: Apache-2.0
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

// A thing that is done once: a local static's guard, of which compiled code looks at bit 0, or a std::once_flag, of which it
// looks for done. States before that leave the lowest byte 0.
enum { NOT_YET = 0, RUNNING = 0x100, AWAITED = 0x200 };

static int begin_once(word *w, int done) {
	for (;;) {
		int v = cas(w, NOT_YET, RUNNING);
		if (v == NOT_YET)
			return 1;
		if (v == done)
			return 0;
		if (v == RUNNING)
			cas(w, RUNNING, AWAITED);
		wait(w, AWAITED);
	}
}
static void end_once(word *w, int v) {
	if (swap(w, v) == AWAITED)
		wake(w, ALL);
}

int __cxa_guard_acquire(word *guard) { return begin_once(guard, 1); }
void __cxa_guard_release(word *guard) { end_once(guard, 1); }
void __cxa_guard_abort(word *guard) { end_once(guard, NOT_YET); }

// From here on names are libc++'s (version 22, ABI namespace __2) and mangled.

// std::__call_once(unsigned long volatile &, void *, void (*)(void *))
void _ZNSt3__211__call_onceERVmPvPFvS2_E(word *flag, void *arg, void (*fn)(void *)) {
	if (begin_once(flag, -1)) {
		fn(arg);
		end_once(flag, -1);
	}
}

// Waiting for an atomic variable to change: those of 64 bits are waited on themselves, all others by a table of counters
// (std::__atomic_monitor_global gives the counter, then the variable is looked at, then one waits for another counter).
static word changes[64];
static word *change(const void *p) { return &changes[(uintptr_t)p / 4 % 64]; }

int64_t _ZNSt3__223__atomic_monitor_globalEPKv(const void *p) { return load(change(p)); }
void _ZNSt3__226__atomic_wait_global_tableEPKvx(const void *p, int64_t seen) { wait(change(p), (int)seen); }
void _ZNSt3__239__atomic_wait_global_table_with_timeoutEPKvxy(const void *p, int64_t seen, uint64_t ns) {
	__builtin_wasm_memory_atomic_wait32((int *)change(p), (int)seen, ns > INT64_MAX ? -1 : (int64_t)ns);
}
void _ZNSt3__232__atomic_notify_all_global_tableEPKv(const void *p) {
	add(change(p), 1);
	wake(change(p), ALL);
}
void _ZNSt3__232__atomic_notify_one_global_tableEPKv(const void *p) { _ZNSt3__232__atomic_notify_all_global_tableEPKv(p); }

// std::__atomic_wait_native<8> and its kin.
void _ZNSt3__220__atomic_wait_nativeILm8EEEvPKvS2_(const void *p, const void *seen) {
	__builtin_wasm_memory_atomic_wait64((long long *)p, *(const long long *)seen, -1);
}
void _ZNSt3__233__atomic_wait_native_with_timeoutILm8EEEvPKvS2_y(const void *p, const void *seen, uint64_t ns) {
	__builtin_wasm_memory_atomic_wait64((long long *)p, *(const long long *)seen, ns > INT64_MAX ? -1 : (int64_t)ns);
}
void _ZNSt3__226__atomic_notify_one_nativeILm8EEEvPKv(const void *p) { __builtin_wasm_memory_atomic_notify((int *)p, 1); }
void _ZNSt3__226__atomic_notify_all_nativeILm8EEEvPKv(const void *p) { __builtin_wasm_memory_atomic_notify((int *)p, ALL); }
