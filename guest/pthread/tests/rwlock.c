// Read-write locks: readers together, a writer alone, time-outs, errors.
#include "check.h"

static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static volatile int a, b; // written as a pair
static _Atomic int readers, most;

static void *reader(void *arg) {
	for (int i = 0; i < 3000; i++) {
		CHECK(pthread_rwlock_rdlock(&l) == 0);
		int n = ++readers;
		for (int seen = most; n > seen && !__c11_atomic_compare_exchange_weak(&most, &seen, n, 5, 5);)
			;
		CHECK(a == b);
		readers--;
		CHECK(pthread_rwlock_unlock(&l) == 0);
	}
	return arg;
}
static void *writer(void *arg) {
	for (int i = 0; i < 1000; i++) {
		if (i % 5 == 0) {
			struct timespec at;
			do
				at = in_ms(CLOCK_REALTIME, 1);
			while (pthread_rwlock_timedwrlock(&l, &at) == ETIMEDOUT);
		} else {
			CHECK(pthread_rwlock_wrlock(&l) == 0);
		}
		CHECK(readers == 0);
		a = a + 1;
		b = b + 1;
		CHECK(pthread_rwlock_unlock(&l) == 0);
	}
	return arg;
}

static pthread_barrier_t together;
static void *hold(void *arg) {
	CHECK(pthread_rwlock_rdlock(&l) == 0);
	pthread_barrier_wait(&together); // all hold it at once, or nobody comes by
	CHECK(pthread_rwlock_unlock(&l) == 0);
	return arg;
}
static void *tries(void *arg) {
	struct timespec at = in_ms(CLOCK_REALTIME, 10);
	if (arg) { // a reader holds it
		CHECK(pthread_rwlock_tryrdlock(&l) == 0 && pthread_rwlock_unlock(&l) == 0);
	} else { // a writer does
		CHECK(pthread_rwlock_tryrdlock(&l) == EBUSY && pthread_rwlock_timedrdlock(&l, &at) == ETIMEDOUT);
		CHECK(pthread_rwlock_unlock(&l) == EPERM);
	}
	CHECK(pthread_rwlock_trywrlock(&l) == EBUSY && pthread_rwlock_timedwrlock(&l, &at) == ETIMEDOUT);
	return arg;
}

int main(void) {
	CHECK(pthread_rwlock_unlock(&l) == EPERM);
	CHECK(pthread_rwlock_rdlock(&l) == 0 && pthread_rwlock_rdlock(&l) == 0);
	finish(start(tries, &l));
	CHECK(pthread_rwlock_destroy(&l) == EBUSY);
	CHECK(pthread_rwlock_unlock(&l) == 0 && pthread_rwlock_unlock(&l) == 0);
	CHECK(pthread_rwlock_wrlock(&l) == 0 && pthread_rwlock_wrlock(&l) == EDEADLK && pthread_rwlock_rdlock(&l) == EDEADLK);
	finish(start(tries, NULL));
	CHECK(pthread_rwlock_unlock(&l) == 0);

	pthread_t t[10];
	CHECK(pthread_barrier_init(&together, NULL, 10) == 0);
	for (int i = 0; i < 10; i++)
		t[i] = start(hold, NULL);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	CHECK(pthread_barrier_destroy(&together) == 0);

	for (int i = 0; i < 10; i++)
		t[i] = start(i < 3 ? writer : reader, NULL);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	CHECK(a == 3000 && b == 3000 && most >= 1);
	CHECK(pthread_rwlock_destroy(&l) == 0);
	return OK();
}
