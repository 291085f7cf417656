// What the guests of threads.go do, natively: pthreads and futexes of Linux. threads.go compiles this with the system's C compiler and
// runs it in turns with them.
//
//	threads spawn N      nanoseconds of one pthread_create and pthread_join, over N of them
//	threads pingpong N   nanoseconds of one round trip between two threads, over N of them
//	threads add T N      nanoseconds until T threads, together, have added N times to one word
//	threads blocked N    N threads blocked: how many could be made, resident bytes of each, nanoseconds until all are woken and gone
//	threads exit N B W R a process with B busy, W waiting and R reading threads traps, N times: nanoseconds of each until its parent knows
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(int ok, const char *what) {
	if (!ok) {
		fprintf(stderr, "threads: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void wait_while(_Atomic int *word, int value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void wake(_Atomic int *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

static pthread_t start(pthread_attr_t *attr, void *(*f)(void *), void *arg) {
	pthread_t t;
	errno = pthread_create(&t, attr, f, arg);
	check(errno == 0, "pthread_create");
	return t;
}

static void *nothing(void *arg) { return arg; }

static void spawn(long n) {
	long long begin = now();
	for (long i = 0; i < n; i++)
		pthread_join(start(NULL, nothing, NULL), NULL);
	printf("%lld\n", (now() - begin) / n);
}

static _Atomic int turn;
static long round_trips;

static void *player(void *arg) {
	int me = arg != NULL;
	for (long i = 0; i < round_trips; i++) {
		while (atomic_load(&turn) != me)
			wait_while(&turn, !me);
		atomic_store(&turn, !me);
		wake(&turn, 1);
	}
	return NULL;
}

static void pingpong(long n) {
	round_trips = n;
	long long begin = now();
	pthread_t other = start(NULL, player, &turn);
	player(NULL);
	pthread_join(other, NULL);
	printf("%lld\n", (now() - begin) / n);
}

static _Atomic int sum;

static void *adder(void *arg) {
	for (long i = (long)arg; i > 0; i--)
		atomic_fetch_add(&sum, 1);
	return NULL;
}

static void add(long threads, long n) {
	pthread_t t[64];
	check(threads <= 64, "too many threads");
	long long begin = now();
	for (long i = 0; i < threads; i++)
		t[i] = start(NULL, adder, (void *)(n / threads));
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	check(atomic_load(&sum) == n / threads * threads, "sum");
	printf("%lld\n", now() - begin);
}

static long long resident(void) {
	long long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	check(f && fscanf(f, "%lld %lld", &size, &pages) == 2, "statm");
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static _Atomic int gate, arrived;

static void *sleeper(void *arg) {
	atomic_fetch_add(&arrived, 1);
	while (!atomic_load(&gate))
		wait_while(&gate, 0);
	return arg;
}

static void blocked(long n) {
	pthread_t *t = calloc(n, sizeof *t);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, sysconf(_SC_THREAD_STACK_MIN));
	long long before = resident();
	long made = 0;
	while (made < n && pthread_create(&t[made], &attr, sleeper, NULL) == 0)
		made++;
	check(made > 0, "pthread_create");
	while (atomic_load(&arrived) < made)
		usleep(1000);
	long long each = (resident() - before) / made;
	long long begin = now();
	atomic_store(&gate, 1);
	wake(&gate, INT_MAX);
	for (long i = 0; i < made; i++)
		pthread_join(t[i], NULL);
	printf("%ld %lld %lld\n", made, each, now() - begin);
}

static int empty[2];

static void *busy(void *arg) {
	atomic_fetch_add(&arrived, 1);
	for (volatile int i = 0;; i++)
		;
	return arg;
}

static void *reader(void *arg) {
	char c;
	atomic_fetch_add(&arrived, 1);
	if (read(empty[0], &c, 1) != 1)
		_exit(1);
	return arg;
}

static void trap(long long *at, long nb, long nw, long nr) {
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	check(pipe(empty) == 0, "pipe");
	for (long i = 0; i < nb; i++)
		start(NULL, busy, NULL);
	for (long i = 0; i < nw; i++)
		start(NULL, sleeper, NULL);
	for (long i = 0; i < nr; i++)
		start(NULL, reader, NULL);
	while (atomic_load(&arrived) < nb + nw + nr)
		usleep(100);
	usleep(2000); // until the last ones are where they said they would be
	*at = now();
	__builtin_trap();
}

static void ends(long rounds, long nb, long nw, long nr) {
	long long *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(at != MAP_FAILED, "mmap");
	for (long i = 0; i < rounds; i++) {
		pid_t child = fork();
		check(child >= 0, "fork");
		if (child == 0)
			trap(at, nb, nw, nr);
		int status;
		check(waitpid(child, &status, 0) == child, "waitpid");
		long long took = now() - *at;
		check(WIFSIGNALED(status), "the child did not trap");
		printf("%lld\n", took);
	}
}

int main(int argc, char **argv) {
	long v[4] = {0};
	for (int i = 2; i < argc && i < 6; i++)
		v[i - 2] = atol(argv[i]);
	const char *what = argc > 2 && v[0] > 0 ? argv[1] : "";
	if (!strcmp(what, "spawn"))
		spawn(v[0]);
	else if (!strcmp(what, "pingpong"))
		pingpong(v[0]);
	else if (!strcmp(what, "add") && v[1] > 0)
		add(v[0], v[1]);
	else if (!strcmp(what, "blocked"))
		blocked(v[0]);
	else if (!strcmp(what, "exit"))
		ends(v[0], v[1], v[2], v[3]);
	else {
		fprintf(stderr, "usage: threads spawn N | pingpong N | add T N | blocked N | exit N B W R\n");
		return 2;
	}
	return 0;
}
