// Thread-specific data. SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include <limits.h>
#include <threads.h>

enum { KEYS = PTHREAD_KEYS_MAX };

// An odd generation is a key in use. A value belongs to the generation that it was set under, so that values of a
// deleted key are gone in all threads at once.
static word guard;
static struct {
	word generation;
	void (*destructor)(void *);
} keys[KEYS];
static _Thread_local struct {
	int generation;
	const void *value;
} values[KEYS];

int pthread_key_create(pthread_key_t *k, void (*destructor)(void *)) {
	lock(&guard);
	for (unsigned i = 0; i < KEYS; i++) {
		if (!(keys[i].generation & 1)) {
			keys[i].destructor = destructor;
			add(&keys[i].generation, 1);
			unlock(&guard);
			return *k = i, 0;
		}
	}
	unlock(&guard);
	return EAGAIN;
}

int pthread_key_delete(pthread_key_t k) {
	lock(&guard);
	int known = k < KEYS && keys[k].generation & 1;
	if (known)
		add(&keys[k].generation, 1);
	unlock(&guard);
	return known ? 0 : EINVAL;
}

void *pthread_getspecific(pthread_key_t k) {
	if (k >= KEYS || values[k].generation != load(&keys[k].generation))
		return NULL;
	return (void *)values[k].value;
}

int pthread_setspecific(pthread_key_t k, const void *v) {
	int g;
	if (k >= KEYS || !((g = load(&keys[k].generation)) & 1))
		return EINVAL;
	values[k].generation = g;
	values[k].value = v;
	return 0;
}

HIDDEN void __spt_run_key_destructors(void) {
	for (int round = 0, again = 1; again && round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
		again = 0;
		for (unsigned k = 0; k < KEYS; k++) {
			void *v = pthread_getspecific(k);
			if (!v)
				continue;
			values[k].value = NULL;
			lock(&guard); // for the pair of the two
			void (*d)(void *) = keys[k].generation == values[k].generation ? keys[k].destructor : NULL;
			unlock(&guard);
			if (d) {
				d(v);
				again = 1;
			}
		}
	}
}

int tss_create(tss_t *k, tss_dtor_t d) { return pthread_key_create(k, d) ? thrd_error : thrd_success; }
void tss_delete(tss_t k) { pthread_key_delete(k); }
void *tss_get(tss_t k) { return pthread_getspecific(k); }
int tss_set(tss_t k, void *v) { return pthread_setspecific(k, v) ? thrd_error : thrd_success; }
