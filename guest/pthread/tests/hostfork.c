// Forks, by the program itself and by the host, while threads allocate and hold locks. The handlers of pthread_atfork are called in their order; what they lock is whole in
// a child; a generator that they seed anew gives something else in each. SPDX-License-Identifier: Apache-2.0
#include "../../fork/spindle_fork.h"
#include "check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t pair = PTHREAD_MUTEX_INITIALIZER;
static int left, right; // equal while nobody holds pair
static volatile int stop;
static char trace[16];
static int traced;
static uint64_t seed;

static void note(char c) {
	if (traced < (int)sizeof trace - 1)
		trace[traced++] = c;
}
static void reseed(void) { CHECK(getentropy(&seed, sizeof seed) == 0); }
static void prepare_a(void) { note('1'); }
static void parent_a(void) { note('2'); }
static void child_a(void) { note('3'); }
static void prepare_b(void) {
	traced = 0;
	note('a');
	CHECK(pthread_mutex_lock(&pair) == 0);
}
static void parent_b(void) {
	CHECK(pthread_mutex_unlock(&pair) == 0);
	note('b');
}
static void child_b(void) {
	CHECK(left == right);
	CHECK(pthread_mutex_unlock(&pair) == 0);
	reseed();
	note('c');
}

static void *work(void *arg) {
	for (unsigned n = 1; !stop; n++) {
		char *p = malloc(n % 3000 + 1);
		CHECK(p);
		memset(p, (int)n, n % 3000 + 1);
		CHECK(pthread_mutex_lock(&pair) == 0);
		left++;
		char *q = realloc(p, n % 5000 + 1);
		right++;
		CHECK(pthread_mutex_unlock(&pair) == 0);
		free(q);
	}
	return arg;
}

// A child uses what all threads shared.
static void child_works(void) {
	CHECK(strcmp(trace, "a13c") == 0);
	CHECK(pthread_mutex_lock(&pair) == 0 && left == right && pthread_mutex_unlock(&pair) == 0);
	for (int i = 1; i < 100; i++)
		free(malloc((size_t)i * 37));
	stop = 0;
	pthread_t t = start(work, &t);
	struct timespec ms = {0, 1000000};
	nanosleep(&ms, NULL);
	stop = 1;
	CHECK(finish(t) == &t);
}

int main(int argc, char **argv) {
	(void)argv;
	CHECK(pthread_atfork(prepare_a, parent_a, child_a) == 0);
	CHECK(pthread_atfork(prepare_b, parent_b, child_b) == 0);
	CHECK(pthread_atfork(NULL, NULL, NULL) == 0);
	reseed();
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		t[i] = start(work, &t[i]);
	if (argc > 1) { // the host forks, while this waits for its input
		char line[8];
		int n = (int)read(0, line, sizeof line);
		CHECK(n > 0);
		if (line[0] == 'c')
			child_works();
		stop = 1;
		char out[64];
		write(1, out, (size_t)snprintf(out, sizeof out, "%c %016llx\n", line[0], (unsigned long long)seed));
		exit(0);
	}
	for (int round = 0; round < 20; round++) {
		uint64_t before = seed;
		memset(trace, 0, sizeof trace);
		int pid = spindle_fork(round % 4 == 3 ? SPINDLE_FORK_ALL : 0);
		if (pid == 0) {
			CHECK(seed != before && spindle_generation() == 1);
			if (round % 4 != 3)
				child_works();
			_exit(round);
		}
		CHECK(pid > 0 && seed == before && strcmp(trace, "a12b") == 0);
		struct spindle_status st;
		CHECK(spindle_wait((uint32_t)pid, 0, &st) == pid);
		CHECK(!st.trapped && (int)st.code == round);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		CHECK(finish(t[i]) == &t[i]);
	return OK();
}
