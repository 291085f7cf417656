// Lines printed by eight threads stay whole: on a stream in memory, which is checked here, and on standard output, which whoever
// runs this checks: 8 times 200 lines "thread T line L" followed by L%40 dots and a semicolon.
#include "check.h"
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8, LINES = 200 };
static FILE *mem;
static pthread_barrier_t together;

static void line(FILE *f, int t, int l) {
	static const char dots[] = "........................................";
	fprintf(f, "thread %d line %d%.*s;\n", t, l, l % 40, dots);
}

static void *print(void *arg) {
	int t = (int)(uintptr_t)arg;
	pthread_barrier_wait(&together);
	for (int l = 0; l < LINES; l++) {
		line(mem, t, l);
		line(stdout, t, l);
		if (l % 16 == 0)
			fflush(l % 32 ? NULL : mem);
		// Several calls are one by flockfile, which may be nested.
		flockfile(mem);
		flockfile(mem);
		fputs("<", mem);
		fputc('0' + t, mem);
		putc('0' + t, mem);
		fwrite(">\n", 1, 2, mem);
		funlockfile(mem);
		CHECK(ftrylockfile(mem) == 0);
		funlockfile(mem);
		funlockfile(mem);
		// Streams that come and go.
		char buffer[64];
		FILE *own = fmemopen(buffer, sizeof buffer, "w+");
		CHECK(own != NULL && fprintf(own, "%d %d", t, l) > 0);
		rewind(own);
		int t2, l2;
		CHECK(fscanf(own, "%d %d", &t2, &l2) == 2 && t2 == t && l2 == l);
		CHECK(fclose(own) == 0);
	}
	return NULL;
}

static void *try_locked(void *f) { return (void *)(intptr_t)ftrylockfile(f); }

int main(void) {
	char *text = NULL;
	size_t size = 0;
	pthread_t t[THREADS];
	CHECK((mem = open_memstream(&text, &size)) != NULL);
	CHECK(pthread_barrier_init(&together, NULL, THREADS) == 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = start(print, (void *)i);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	flockfile(mem);
	CHECK(finish(start(try_locked, mem)) == (void *)-1);
	funlockfile(mem);
	CHECK(fclose(mem) == 0);

	int next[THREADS] = {0}, marks = 0;
	for (char *p = text, *end; p < text + size; p = end + 1) {
		CHECK((end = memchr(p, '\n', (size_t)(text + size - p))) != NULL);
		if (*p == '<') {
			CHECK(end == p + 4 && p[1] == p[2] && p[3] == '>');
			marks++;
			continue;
		}
		int who, which, at = 0;
		CHECK(sscanf(p, "thread %d line %d%n", &who, &which, &at) == 2 && who >= 0 && who < THREADS);
		CHECK(which == next[who]++ && end == p + at + which % 40 + 1 && end[-1] == ';');
	}
	for (int i = 0; i < THREADS; i++)
		CHECK(next[i] == LINES);
	CHECK(marks == THREADS * LINES);
	puts("ok");
	return 0;
}
