// The sysroot's <semaphore.h>, and what it does not know yet. SPDX-License-Identifier: Apache-2.0
#ifndef SPT_SEMAPHORE_H
#define SPT_SEMAPHORE_H
#include_next <semaphore.h>
#ifdef __cplusplus
extern "C" {
#endif

int sem_clockwait(sem_t *__restrict, clockid_t, const struct timespec *__restrict); // POSIX 2024

#ifdef __cplusplus
}
#endif
#endif
