// What the tests share. SPDX-License-Identifier: Apache-2.0
#ifndef CHECK_H
#define CHECK_H
#ifdef __cplusplus
#define _Noreturn [[noreturn]]
#endif
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline void say(const char *s) { write(1, s, strlen(s)); }

// A failed check ends the program with code 1 and a line that says which. It uses nothing that is tested.
_Noreturn static inline void check_failed(const char *what) {
	say(what);
	_exit(1);
}
#define STRING2(x) #x
#define STRING(x) STRING2(x)
#define CHECK(x) ((x) ? (void)0 : check_failed(__FILE__ ":" STRING(__LINE__) ": " #x "\n"))
#define OK() (say("ok\n"), 0)

static inline pthread_t start(void *(*fn)(void *), void *arg) {
	pthread_t t;
	CHECK(pthread_create(&t, NULL, fn, arg) == 0);
	return t;
}
static inline void *finish(pthread_t t) {
	void *r = NULL;
	CHECK(pthread_join(t, &r) == 0);
	return r;
}

static inline int64_t now_ns(clockid_t c) {
	struct timespec t;
	CHECK(clock_gettime(c, &t) == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static inline struct timespec in_ms(clockid_t c, int ms) {
	int64_t n = now_ns(c) + (int64_t)ms * 1000000;
	return (struct timespec){.tv_sec = n / 1000000000, .tv_nsec = (long)(n % 1000000000)};
}
#endif
