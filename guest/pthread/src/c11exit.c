// thrd_exit, apart because it needs what pthread_exit needs. SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdint.h>
#include <threads.h>

_Noreturn void thrd_exit(int code) { pthread_exit((void *)(intptr_t)code); }
