// Spin locks, which spin for a moment and then wait: the holder may have lost its processor. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

int pthread_spin_init(pthread_spinlock_t *l, int shared) { return *l = 0, 0; }
int pthread_spin_destroy(pthread_spinlock_t *l) { return 0; }
int pthread_spin_lock(pthread_spinlock_t *l) { return lock(l), 0; }
int pthread_spin_trylock(pthread_spinlock_t *l) { return trylock(l) ? 0 : EBUSY; }
int pthread_spin_unlock(pthread_spinlock_t *l) { return unlock(l), 0; }
