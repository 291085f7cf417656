// Ways to end, by two arguments: who (main, thread) and how (exit: code 33; _exit: 34; abort, trap, null: a trap; return:
// code 7 by the main thread; atexit: a trap in another thread after main has returned). Other threads are busy, waiting and
// asleep meanwhile.
#include "check.h"
#include <stdio.h>
#include <stdlib.h>

static _Atomic int there;
static void *busy(void *arg) {
	there++;
	for (volatile int i = 0;; i++)
		;
	return arg;
}
static void *waiting(void *arg) {
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	pthread_mutex_lock(&m);
	there++;
	for (;;)
		pthread_cond_wait(&c, &m);
	return arg;
}
static void *asleep(void *arg) {
	there++;
	for (;;)
		sleep(1000);
	return arg;
}

static _Atomic int after_main;
static void *trap_after_main(void *arg) {
	there++;
	while (!after_main)
		__builtin_wasm_memory_atomic_wait32((int *)&after_main, 0, -1);
	__builtin_trap();
	return arg;
}
static void let_trap(void) {
	after_main = 1;
	__builtin_wasm_memory_atomic_notify((int *)&after_main, -1);
	for (;;) // the trap ends this
		sleep(1000);
}

static const char *how;
static void *end(void *arg) {
	while (there < 4)
		sched_yield();
	fputs("ending\n", stdout); // not flushed yet
	if (!strcmp(how, "exit"))
		exit(33);
	if (!strcmp(how, "_exit"))
		fflush(stdout), _exit(34);
	if (!strcmp(how, "abort"))
		fflush(stdout), abort();
	fflush(stdout);
	if (!strcmp(how, "trap"))
		__builtin_trap();
	if (!strcmp(how, "null")) {
		int (*volatile nowhere)(int) = NULL;
		nowhere(1);
	}
	return arg;
}

int main(int argc, char **argv) {
	CHECK(argc == 3);
	how = argv[2];
	start(busy, NULL);
	start(waiting, NULL);
	start(asleep, NULL);
	start(trap_after_main, NULL);
	if (!strcmp(how, "atexit"))
		atexit(let_trap);
	if (!strcmp(argv[1], "thread"))
		finish(start(end, NULL));
	else
		end(NULL);
	return 7;
}
