// Doing something once. SPDX-License-Identifier: Apache-2.0
#include "internal.h"

enum { NOT_YET, RUNNING, AWAITED, OVER };

int pthread_once(pthread_once_t *once, void (*fn)(void)) {
	word *o = once;
	for (;;) {
		switch (cas(o, NOT_YET, RUNNING)) {
		case OVER:
			return 0;
		case NOT_YET:
			fn();
			if (swap(o, OVER) == AWAITED)
				wake(o, ALL);
			return 0;
		case RUNNING:
			cas(o, RUNNING, AWAITED);
		}
		wait(o, AWAITED);
	}
}
