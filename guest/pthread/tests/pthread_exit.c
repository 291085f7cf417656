// pthread_exit and thrd_exit, from the middle of calls, with handlers, keys and in the main thread. Needs a host with exception handling.
#include "check.h"
#include <threads.h>

static pthread_key_t key;
static char order[16];
static _Atomic int at;
static void note(void *c) { order[at++] = (char)(uintptr_t)c; }

static int deep(int n) {
	volatile char frame[200];
	frame[0] = (char)n;
	if (n == 0)
		pthread_exit((void *)4711);
	return deep(n - 1) + frame[0];
}

static void *leave(void *arg) {
	CHECK(pthread_setspecific(key, (void *)'k') == 0);
	pthread_cleanup_push(note, (void *)'a');
	pthread_cleanup_push(note, (void *)'-');
	pthread_cleanup_pop(0);
	pthread_cleanup_push(note, (void *)'b');
	deep(50);
	pthread_cleanup_pop(1);
	pthread_cleanup_pop(1);
	return arg;
}
static int leave_c11(void *arg) {
	(void)arg;
	thrd_exit(-3);
}
static void *plain(void *arg) { return arg; }

static pthread_t main_thread;
static void *last(void *arg) {
	CHECK(finish(main_thread) == (void *)99); // the main thread is a thread like others
	say("ok\n");
	return arg;
}

int main(void) {
	CHECK(pthread_key_create(&key, note) == 0);
	for (int i = 0; i < 2000; i++) {
		memset(order, 0, sizeof order);
		at = 0;
		CHECK(finish(start(leave, NULL)) == (void *)4711);
		CHECK(strcmp(order, "bak") == 0);
		CHECK(finish(start(plain, &at)) == &at);
	}
	thrd_t t;
	int code = 0;
	CHECK(thrd_create(&t, leave_c11, NULL) == thrd_success && thrd_join(t, &code) == thrd_success && code == -3);
	main_thread = pthread_self();
	start(last, NULL);
	pthread_exit((void *)99); // the program ends with the last thread, with code 0
}
