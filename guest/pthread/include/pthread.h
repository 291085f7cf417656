// The sysroot's <pthread.h>, and what it hides or does not know yet. SPDX-License-Identifier: Apache-2.0
#ifndef SPT_PTHREAD_H
#define SPT_PTHREAD_H
#include_next <pthread.h>
#ifdef __cplusplus
extern "C" {
#endif

// Needs a host with exception handling (exnref): see README.md.
_Noreturn void pthread_exit(void *);

// POSIX 2024: waiting by a clock of choice.
int pthread_mutex_clocklock(pthread_mutex_t *__restrict, clockid_t, const struct timespec *__restrict);
int pthread_cond_clockwait(pthread_cond_t *__restrict, pthread_mutex_t *__restrict, clockid_t, const struct timespec *__restrict);

#ifdef __cplusplus
}
#endif
#endif
