// Ends from odd places, by two arguments: where (see places) and how: exit (code 33), _exit (34), trap, abort. The main thread
// and others wait for what the ending thread has and will not give back.
#include "check.h"
#include <stdio.h>
#include <stdlib.h>

static const char *how;
_Noreturn static void end(void) {
	if (!strcmp(how, "exit"))
		exit(33);
	if (!strcmp(how, "_exit"))
		_exit(34);
	if (!strcmp(how, "abort"))
		abort();
	__builtin_trap();
}

static void forever(void) {
	for (;;)
		sleep(1000);
}
static _Atomic int there;
static void arrive(void) {
	there++;
	__builtin_wasm_memory_atomic_notify((int *)&there, -1);
}
static void arrived(int n) {
	for (int have; (have = there) < n;)
		__builtin_wasm_memory_atomic_wait32((int *)&there, have, -1);
}

// A thread's thread's thread, whose makers wait for it.
static void *nest(void *depth) {
	if (!depth)
		end();
	return finish(start(nest, (void *)((uintptr_t)depth - 1)));
}
static void nested(void) { finish(start(nest, (void *)5)); }

// With a mutex that everybody else wants.
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static void *holds(void *arg) {
	pthread_mutex_lock(&m);
	arrive();
	arrived(3);
	end();
	return arg;
}
static void *wants(void *arg) {
	arrived(1);
	arrive();
	pthread_mutex_lock(&m);
	return arg;
}
static void locked(void) {
	start(wants, NULL);
	start(holds, NULL);
	wants(NULL);
}

// In a routine that others wait for to be over.
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void routine(void) {
	arrive();
	arrived(3);
	end();
}
static void *call_once(void *arg) {
	if (arg)
		arrived(1), arrive();
	pthread_once(&once, routine);
	return arg;
}
static void in_once(void) {
	start(call_once, NULL);
	start(call_once, &once);
	call_once(&once);
}

// In the destructor of a thread's value, when its start function has returned.
static void destructor(void *value) {
	(void)value;
	end();
}
static void *set_key(void *key) {
	pthread_setspecific(*(pthread_key_t *)key, key);
	return NULL;
}
static void key(void) {
	static pthread_key_t k;
	CHECK(pthread_key_create(&k, destructor) == 0);
	finish(start(set_key, &k));
}

static void *clean_up(void *arg) {
	pthread_cleanup_push(destructor, arg);
	pthread_cleanup_pop(1);
	return arg;
}
static void cleanup(void) { finish(start(clean_up, NULL)); }

// Woken from a wait, with its mutex.
static void *woken(void *arg) {
	pthread_mutex_lock(&m);
	arrive();
	pthread_cond_wait(&c, &m);
	end();
	return arg;
}
static void cond(void) {
	pthread_t t = start(woken, NULL);
	start(woken, NULL);
	arrived(2);
	pthread_mutex_lock(&m);
	pthread_cond_broadcast(&c);
	pthread_mutex_unlock(&m);
	finish(t);
}

// The one of a barrier's threads that is chosen, while the others wait for the next round.
static pthread_barrier_t b;
static void *meet(void *arg) {
	if (pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD)
		end();
	pthread_barrier_wait(&b);
	return arg;
}
static void barrier(void) {
	CHECK(pthread_barrier_init(&b, NULL, 4) == 0);
	for (int i = 0; i < 3; i++)
		start(meet, NULL);
	meet(NULL);
}

// With the lock of a stream that others print on.
static void *print(void *arg) {
	arrived(1);
	arrive();
	puts("too late");
	return arg;
}
static void *owns_stdout(void *arg) {
	flockfile(stdout);
	arrive();
	arrived(3);
	end();
	return arg;
}
static void stream(void) {
	start(print, NULL);
	start(owns_stdout, NULL);
	print(NULL);
}

// Nobody waits for it.
static void *on_its_own(void *arg) {
	end();
	return arg;
}
static void detached(void) {
	CHECK(pthread_detach(start(on_its_own, NULL)) == 0);
	forever();
}

// A writer, while readers and writers wait.
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static void *writes(void *arg) {
	pthread_rwlock_wrlock(&rw);
	arrive();
	arrived(3);
	end();
	return arg;
}
static void *reads(void *arg) {
	arrived(1);
	arrive();
	pthread_rwlock_rdlock(&rw);
	return arg;
}
static void rwlock(void) {
	start(writes, NULL);
	start(reads, NULL);
	reads(NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} places[] = {
	{"nested", nested}, {"locked", locked},   {"once", in_once},	{"key", key},		{"cleanup", cleanup}, {"cond", cond},
	{"barrier", barrier}, {"stream", stream}, {"detached", detached}, {"rwlock", rwlock},
};

int main(int argc, char **argv) {
	CHECK(argc == 3);
	how = argv[2];
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (!strcmp(argv[1], places[i].name)) {
			places[i].run();
			forever();
		}
	check_failed("no such place\n");
}
