// A web server that has threads: GET /N says how many primes there are below N, and how many of them each thread has found.
//
// It starts its threads, and finds the primes that all others are found with, before the first request; "spindle serve" freezes it when it waits for that, and
// answers each request in a fork, threads and all. It goes in a loop, as a server does that is asked more than once, so it can also be forked anew.
//
//	guest/pthread/build.sh
//	clang-22 --config=guest/pthread/build/threads.cfg -O2 -Wall -Wextra -s examples/threads/server/primes.c -o examples/threads/server/primes.wasm
//	spindle serve --http :8080 examples/threads/server/primes.wasm
//	curl http://127.0.0.1:8080/1000000
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { threads = 4, segment = 1 << 14, max = 100 * 1000 * 1000, root = 10 * 1000 };

static unsigned small[1300]; // the 1229 primes below root
static int smalls;

// The work that there is. Thread k has the segments k, k + threads, and so on.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begin = PTHREAD_COND_INITIALIZER, end = PTHREAD_COND_INITIALIZER;
static unsigned limit, round_number, busy, found[threads];

// in_segment counts the primes of [from, to), which is no longer than a segment.
static unsigned in_segment(unsigned from, unsigned to) {
	static _Thread_local char composite[segment];
	memset(composite, 0, sizeof composite);
	for (int i = 0; i < smalls && small[i] * small[i] < to; i++) {
		unsigned p = small[i], first = (from + p - 1) / p * p;
		for (unsigned n = first < p * p ? p * p : first; n < to; n += p) composite[n - from] = 1;
	}
	unsigned count = 0;
	for (unsigned n = from < 2 ? 2 : from; n < to; n++) count += !composite[n - from];
	return count;
}

static void *work(void *arg) {
	unsigned k = (unsigned)(size_t)arg, seen = 0;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (round_number == seen) pthread_cond_wait(&begin, &lock);
		seen = round_number;
		unsigned until = limit, count = 0;
		pthread_mutex_unlock(&lock);
		for (unsigned from = k * segment; from < until; from += threads * segment)
			count += in_segment(from, from + segment < until ? from + segment : until);
		pthread_mutex_lock(&lock);
		found[k] = count;
		if (--busy == 0) pthread_cond_signal(&end);
	}
	return NULL;
}

static void out(const char *s) {
	for (size_t n = strlen(s); n > 0;) {
		ssize_t k = write(1, s, n);
		if (k <= 0) exit(1);
		s += k, n -= (size_t)k;
	}
}

static void answer(const char *status, const char *body) {
	char head[128];
	snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", status, strlen(body));
	out(head);
	out(body);
}

// request reads the head of a request, which has no body, and returns what follows the slash of its path; NULL if there are no more.
static const char *request(void) {
	static char head[64 << 10];
	size_t n = 0;
	for (;;) {
		ssize_t k = read(0, head + n, sizeof head - 1 - n);
		if (k <= 0) return NULL;
		head[n += (size_t)k] = 0;
		if (n >= 4 && strcmp(head + n - 4, "\r\n\r\n") == 0) break;
		if (n == sizeof head - 1) return NULL;
	}
	char *path = strchr(head, '/');
	if (!path) return "";
	path[strcspn(path, " \r")] = 0;
	return path + 1;
}

int main(void) {
	for (unsigned n = 2; n < root; n++) {
		int prime = 1;
		for (int i = 0; i < smalls && small[i] * small[i] <= n && prime; i++) prime = n % small[i] != 0;
		if (prime) small[smalls++] = n;
	}
	for (size_t k = 0; k < threads; k++) {
		pthread_t t;
		if (pthread_create(&t, NULL, work, (void *)k)) return 1;
	}
	for (const char *path; (path = request());) {
		char *rest, body[256];
		unsigned long n = strtoul(path, &rest, 10);
		if (*path < '0' || *path > '9' || *rest || n > max) {
			answer("404 Not Found", "a number up to 100000000\n");
			continue;
		}
		pthread_mutex_lock(&lock);
		limit = (unsigned)n, busy = threads, round_number++;
		pthread_cond_broadcast(&begin);
		while (busy) pthread_cond_wait(&end, &lock);
		unsigned sum = 0;
		for (int k = 0; k < threads; k++) sum += found[k];
		snprintf(body, sizeof body, "%u = %u + %u + %u + %u\n", sum, found[0], found[1], found[2], found[3]);
		pthread_mutex_unlock(&lock);
		answer("200 OK", body);
	}
	return 0;
}
