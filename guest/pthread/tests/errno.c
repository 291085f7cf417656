// errno: one for each thread, in the program's own code and in the libc's.
#include "check.h"
#include <stdlib.h>

static pthread_barrier_t together;

static void *user(void *arg) {
	int me = (int)(uintptr_t)arg;
	CHECK(errno == 0);
	errno = 1000 + me;
	pthread_barrier_wait(&together);
	for (int i = 0; i < 100; i++) {
		CHECK(errno == 1000 + me);
		sched_yield();
	}
	// Half of the threads fail in one way, half in another, and look at what the libc has set.
	for (int i = 0; i < 2000; i++) {
		errno = 0;
		char *end;
		switch (me % 4) {
		case 0:
			CHECK(close(12345) == -1 && errno == EBADF);
			break;
		case 1:
			CHECK(strtol("99999999999999999999", &end, 10) > 0 && errno == ERANGE);
			break;
		case 2:
			CHECK(strtol("1234", &end, 99) == 0 && errno == EINVAL);
			break;
		default:
			CHECK(strtol("1234", &end, 10) == 1234 && errno == 0);
			CHECK(unlink("/nowhere/at all") == -1 && errno != 0 && errno != EBADF && errno != ERANGE && errno != EINVAL);
		}
	}
	return &errno;
}

int main(void) {
	errno = 5;
	pthread_t t[8];
	CHECK(pthread_barrier_init(&together, NULL, 8) == 0);
	for (uintptr_t i = 0; i < 8; i++)
		t[i] = start(user, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		CHECK(finish(t[i]) != &errno);
	CHECK(errno == 5);
	return OK();
}
