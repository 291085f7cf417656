// Threads that the host starts on exports while main runs: they are threads like all others. Each export gives 0, or the line of a failed
// check that need not end the program.
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>

#define EXPORT(name) __attribute__((export_name(#name))) int name

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int over;
static pthread_t last; // a thread of the host's

// Who it is, and where its stack and variables are.
static _Thread_local int initialised = 42, zero;
static _Thread_local _Alignas(64) char aligned[100] = "text";
static _Thread_local pthread_t was;

EXPORT(whoami)(int mine) {
	CHECK(initialised == 42 && zero == 0 && strcmp(aligned, "text") == 0 && (uintptr_t)aligned % 64 == 0 && was == NULL);
	initialised = zero = mine;
	memset(aligned, mine, sizeof aligned);
	was = pthread_self();
	CHECK(pthread_equal(was, thrd_current()));
	pthread_attr_t a;
	void *low;
	size_t size;
	int detached;
	CHECK(pthread_getattr_np(was, &a) == 0 && pthread_attr_getstack(&a, &low, &size) == 0);
	CHECK((char *)&a > (char *)low && (char *)&a < (char *)low + size);
	CHECK(pthread_attr_getdetachstate(&a, &detached) == 0 && detached == PTHREAD_CREATE_DETACHED);
	CHECK(pthread_detach(was) == EINVAL && pthread_join(was, NULL) == EDEADLK);
	char name[16];
	CHECK(pthread_getname_np(was, name, sizeof name) == 0 && name[0] == 0);
	snprintf(name, sizeof name, "host %d", mine);
	CHECK(pthread_setname_np(was, name) == 0);
	for (int i = 0; i < 50; i++) {
		errno = mine + i;
		sched_yield();
		CHECK(errno == mine + i && initialised == mine && zero == mine && aligned[0] == (char)mine && aligned[99] == (char)mine);
		CHECK(pthread_self() == was);
	}
	CHECK(write(1000 + mine, "", 1) == -1 && errno == EBADF);
	return 0;
}

// All kinds of mutexes, together with the threads of main.
static long counted, counted_again;
static pthread_mutex_t recursive, checking;

static void count(int n) {
	for (int i = 0; i < n; i++) {
		CHECK(pthread_mutex_lock(&m) == 0);
		counted++;
		CHECK(pthread_mutex_unlock(&m) == 0);
		CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_lock(&recursive) == 0);
		CHECK(pthread_mutex_lock(&checking) == 0 && pthread_mutex_lock(&checking) == EDEADLK);
		counted_again++;
		CHECK(pthread_mutex_unlock(&checking) == 0 && pthread_mutex_unlock(&checking) == EPERM);
		CHECK(pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == EPERM);
	}
}
EXPORT(mutexes)(int n) { return count(n), 0; }
EXPORT(total)(int again) {
	pthread_mutex_t *l = again ? &recursive : &m;
	CHECK(pthread_mutex_lock(l) == 0);
	int n = (int)(again ? counted_again : counted);
	CHECK(pthread_mutex_unlock(l) == 0);
	return n;
}

// When one has waited for a lock in vain for long one of those who wait has it next, though its holder wants it back at once. All give their places in the order of having it.
static pthread_mutex_t wanted = PTHREAD_MUTEX_INITIALIZER;
static int places;
static _Atomic int held, let_go;
EXPORT(hold)(void) {
	CHECK(pthread_mutex_lock(&wanted) == 0);
	held = 1;
	while (!let_go)
		__builtin_wasm_memory_atomic_wait32((int *)&let_go, 0, -1);
	CHECK(pthread_mutex_unlock(&wanted) == 0);
	CHECK(pthread_mutex_lock(&wanted) == 0);
	int place = ++places;
	CHECK(pthread_mutex_unlock(&wanted) == 0);
	return place;
}
EXPORT(is_held)(void) { return held; }
EXPORT(wanted_at)(void) { return (int)&wanted; }
EXPORT(wanted_size)(void) { return (int)sizeof wanted; }
EXPORT(want)(void) {
	CHECK(pthread_mutex_lock(&wanted) == 0);
	int place = ++places;
	CHECK(pthread_mutex_unlock(&wanted) == 0);
	return place;
}
EXPORT(release)(void) {
	let_go = 1;
	__builtin_wasm_memory_atomic_notify((int *)&let_go, 1);
	return 0;
}

// The allocator.
EXPORT(allocate)(int n) {
	enum { SLOTS = 40 };
	struct {
		unsigned char *p, with;
		size_t size;
	} s[SLOTS] = {0};
	unsigned seed = (unsigned)n;
	for (int i = 0; i < n + SLOTS; i++) {
		seed = seed * 1103515245 + 12345;
		int k = i < n ? (int)(seed >> 16) % SLOTS : i - n;
		for (size_t j = 0; j < s[k].size; j++)
			CHECK(s[k].p[j] == s[k].with);
		free(s[k].p);
		s[k].p = NULL;
		s[k].size = 0;
		if (i >= n)
			continue;
		s[k].size = (seed >> 8) % 3000 + (i % 100 == 0 ? 200000 : 1);
		s[k].with = (unsigned char)(seed >> 24);
		CHECK((s[k].p = malloc(s[k].size)));
		memset(s[k].p, s[k].with, s[k].size);
	}
	return 0;
}

// Standard output.
EXPORT(print)(int who, int lines) {
	for (int i = 0; i < lines; i++)
		printf("host %d line %d%.*s;\n", who, i, i % 40, "........................................");
	return 0;
}

// Threads of its own.
static void *twice(void *arg) {
	count(10);
	return (void *)((uintptr_t)arg * 2);
}
EXPORT(create)(int n) {
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		t[i] = start(twice, (void *)(uintptr_t)(n + i));
	for (int i = 0; i < 4; i++)
		CHECK(finish(t[i]) == (void *)(uintptr_t)((n + i) * 2));
	return 0;
}

// Destructors of keys run at the end, in the thread itself.
static pthread_key_t key;
static int destroyed;
static void destroy(void *v) {
	CHECK(v == &m && pthread_self() == was);
	__atomic_fetch_add(&destroyed, 1, __ATOMIC_SEQ_CST);
}
EXPORT(with_key)(void) {
	was = pthread_self();
	CHECK(pthread_getspecific(key) == NULL && pthread_setspecific(key, &m) == 0 && pthread_getspecific(key) == &m);
	return 0;
}
EXPORT(destructors)(void) { return __atomic_load_n(&destroyed, __ATOMIC_SEQ_CST); }

// Waiting for each other.
static int tokens;
EXPORT(take)(void) {
	CHECK(pthread_mutex_lock(&m) == 0);
	last = pthread_self();
	while (tokens == 0)
		CHECK(pthread_cond_wait(&c, &m) == 0);
	tokens--;
	CHECK(pthread_mutex_unlock(&m) == 0);
	return 0;
}
EXPORT(give)(int n) {
	CHECK(pthread_mutex_lock(&m) == 0);
	tokens += n;
	CHECK(pthread_cond_broadcast(&c) == 0);
	CHECK(pthread_mutex_unlock(&m) == 0);
	return 0;
}
EXPORT(join_last)(void) {
	CHECK(pthread_mutex_lock(&m) == 0);
	pthread_t t = last;
	CHECK(pthread_mutex_unlock(&m) == 0);
	return t ? pthread_join(t, NULL) : 0;
}
EXPORT(timed)(int ms) {
	struct timespec at = in_ms(CLOCK_REALTIME, ms);
	CHECK(pthread_mutex_lock(&m) == 0);
	int e;
	while ((e = pthread_cond_timedwait(&c, &m, &at)) == 0)
		;
	CHECK(pthread_mutex_unlock(&m) == 0);
	return e == ETIMEDOUT ? 0 : e;
}

// Ends that are none.
EXPORT(leave)(void) { pthread_exit(NULL); }
__attribute__((noinline)) static int deep(volatile char *above, int n) {
	volatile char frame[1000];
	for (int i = 0; i < 1000; i++)
		frame[i] = (char)(above[0] + n);
	return n > 0 ? deep(frame, n - 1) + frame[n % 1000] : frame[0];
}
EXPORT(overrun)(int n) {
	volatile char top = 1;
	return deep(&top, n);
}
EXPORT(trap)(void) { __builtin_trap(); }

static void *busy(void *who) {
	for (int i = 0; !__atomic_load_n(&over, __ATOMIC_SEQ_CST); i++) {
		count(1);
		char *p = malloc(100 + (size_t)i % 1000);
		CHECK(p);
		p[i % 100] = 1;
		free(p);
		printf("main %d line %d;\n", (int)(uintptr_t)who, i);
		sched_yield();
	}
	return NULL;
}

// main has threads of its own at work until an export says that it is over.
EXPORT(end)(void) {
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	return give(1);
}
__attribute__((constructor)) static void init(void) {
	pthread_mutexattr_t a;
	CHECK(pthread_mutexattr_init(&a) == 0);
	CHECK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE) == 0 && pthread_mutex_init(&recursive, &a) == 0);
	CHECK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK) == 0 && pthread_mutex_init(&checking, &a) == 0);
	CHECK(pthread_key_create(&key, destroy) == 0);
}
int main(int argc, char **argv) {
	pthread_t t[2];
	int threads = argc > 1 && strcmp(argv[1], "busy") == 0 ? 2 : 0;
	CHECK(getenv("HOST_TEST") && strcmp(getenv("HOST_TEST"), "yes") == 0);
	for (int i = 0; i < threads; i++)
		t[i] = start(busy, (void *)(uintptr_t)i);
	CHECK(pthread_mutex_lock(&m) == 0);
	while (!over)
		CHECK(pthread_cond_wait(&c, &m) == 0);
	CHECK(pthread_mutex_unlock(&m) == 0);
	for (int i = 0; i < threads; i++)
		finish(t[i]);
	CHECK(initialised == 42 && zero == 0);
	fflush(stdout);
	return OK();
}
