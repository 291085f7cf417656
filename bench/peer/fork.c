// What fork.go measures of a guest, natively: fork(2) of a process whose memory is resident. fork.go compiles this with the system's C compiler and
// runs it in turns with ours.
//
//	fork first MIB HUGE N      nanoseconds from fork to the child's first instruction, N times; HUGE 1: in huge pages (MADV_HUGEPAGE)
//	fork cycle MIB PAGES N     nanoseconds of a fork, PAGES pages of 4 KiB written in the child, its end and wait, over N of them
//	fork idle MIB N            N children at once that have nothing to do: how many, private bytes of each with its page tables, nanoseconds to make all, to end all
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(int ok, const char *what) {
	if (!ok) {
		fprintf(stderr, "fork: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static char *heap;
static size_t size;

static void fill(long mib, int huge) {
	const size_t align = 2 << 20;
	size = (size_t)mib << 20;
	char *p = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(p != MAP_FAILED, "mmap");
	heap = p + (-(size_t)p & (align - 1));
	check(madvise(heap, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0 || !huge, "madvise");
	for (size_t at = 0; at < size; at += 4096)
		heap[at] = 1;
}

static void wait_for(pid_t child) {
	int status;
	check(waitpid(child, &status, 0) == child, "waitpid");
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child");
}

static void first(long mib, int huge, long n) {
	long long *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(at != MAP_FAILED, "mmap");
	*at = 0; // the page is there
	fill(mib, huge);
	for (long i = 0; i < n; i++) {
		long long begin = now();
		pid_t child = fork();
		if (child == 0) {
			*at = now();
			_exit(0);
		}
		check(child > 0, "fork");
		wait_for(child);
		printf("%lld\n", *at - begin);
	}
}

static void cycle(long mib, long pages, long n) {
	fill(mib, 0);
	long long begin = now();
	for (long i = 0; i < n; i++) {
		pid_t child = fork();
		if (child == 0) {
			for (long k = 0; k < pages; k++)
				heap[k * 4096]++;
			_exit(0);
		}
		check(child > 0, "fork");
		wait_for(child);
	}
	printf("%lld\n", (now() - begin) / n);
}

// of sums the lines of a file of a process that begin with a word, in KiB.
static long of(pid_t pid, const char *file, const char *word) {
	char path[64], line[256];
	long sum = 0;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "r");
	check(f != NULL, path);
	while (fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (colon && !strncmp(line, word, strlen(word)))
			sum += atol(colon + 1);
	}
	fclose(f);
	return sum;
}

static void idle(long mib, long n) {
	pid_t *children = calloc(n, sizeof *children);
	int ready[2];
	char c;
	fill(mib, 0);
	check(pipe(ready) == 0, "pipe");
	long long begin = now();
	long made = 0;
	for (; made < n; made++) {
		children[made] = fork();
		if (children[made] == 0) {
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			pause();
		}
		if (children[made] < 0)
			break;
	}
	check(made > 0, "fork");
	for (long i = 0; i < made; i++)
		check(read(ready[0], &c, 1) == 1, "read");
	long long took = now() - begin, kib = 0;
	for (long i = 0; i < made; i++)
		kib += of(children[i], "smaps_rollup", "Private_") + of(children[i], "status", "VmPTE");
	begin = now();
	for (long i = 0; i < made; i++)
		kill(children[i], SIGKILL);
	for (long i = 0; i < made; i++)
		check(waitpid(children[i], NULL, 0) == children[i], "waitpid");
	printf("%ld %lld %lld %lld\n", made, kib * 1024 / made, took, now() - begin);
}

int main(int argc, char **argv) {
	long v[3] = {0};
	for (int i = 2; i < argc && i < 5; i++)
		v[i - 2] = atol(argv[i]);
	const char *what = argc > 3 && v[0] > 0 ? argv[1] : "";
	if (!strcmp(what, "first") && v[2] > 0)
		first(v[0], v[1], v[2]);
	else if (!strcmp(what, "cycle") && v[2] > 0)
		cycle(v[0], v[1], v[2]);
	else if (!strcmp(what, "idle") && v[1] > 0)
		idle(v[0], v[1]);
	else {
		fprintf(stderr, "usage: fork first MIB HUGE N | cycle MIB PAGES N | idle MIB N\n");
		return 2;
	}
	return 0;
}
