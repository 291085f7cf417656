// The end of the program: one thread runs what is to be run then. SPDX-License-Identifier: Apache-2.0
//
// Other threads go on meanwhile, as they do natively, until the process exits; one that asks for the end as well waits
// for that.
#include "internal.h"

// Who ends the program; NULL while nobody does.
static struct __pthread *volatile ender;
static word never, registrations;

static void begin_end(void) {
	struct __pthread *nobody = NULL;
	while (!__atomic_compare_exchange_n(&ender, &nobody, __spt_self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		if (nobody == __spt_self)
			return; // exit within an atexit function: go on with the rest
		for (;;)
			wait(&never, 0);
	}
	if (__spt_run_cxx_destructors)
		__spt_run_cxx_destructors();
}

_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code) {
	begin_end();
	__real_exit(code);
}

// The start code calls this when main has returned.
void __real___wasm_call_dtors(void);
void __wrap___wasm_call_dtors(void) {
	begin_end();
	__real___wasm_call_dtors();
}

// Registering is possible for everybody before the end, and for the ender after.
static int may_register(void) {
	lock(&registrations);
	return !ender || ender == __spt_self;
}

int __real_atexit(void (*)(void));
int __wrap_atexit(void (*fn)(void)) {
	int e = may_register() ? __real_atexit(fn) : -1;
	unlock(&registrations);
	return e;
}

int __real___cxa_atexit(void (*)(void *), void *, void *);
int __wrap___cxa_atexit(void (*fn)(void *), void *arg, void *dso) {
	int e = may_register() ? __real___cxa_atexit(fn, arg, dso) : -1;
	unlock(&registrations);
	return e;
}
