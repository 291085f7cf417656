// What libc++ does atomically, in a library that was compiled for one thread and so does it otherwise. SPDX-License-Identifier: Apache-2.0
//
// The names are libc++'s (version 22, ABI namespace __2), mangled, and sent here by the link options. Some are templates
// that programs instantiate too; those instances do the same as these.
#include "internal.h"
#include <stdbool.h>

#define ORDER __ATOMIC_SEQ_CST

// The counters of std::shared_ptr: one less than the number of owners.
struct shared_weak_count {
	void **vtable;
	long owners, weak_owners;
};

// std::__shared_weak_count::lock()
struct shared_weak_count *__wrap__ZNSt3__219__shared_weak_count4lockEv(struct shared_weak_count *c) {
	long n = __atomic_load_n(&c->owners, ORDER);
	while (n != -1)
		if (__atomic_compare_exchange_n(&c->owners, &n, n + 1, 0, ORDER, ORDER))
			return c;
	return NULL;
}

// std::__libcpp_atomic_refcount_increment(long &), …decrement
long __wrap__ZNSt3__234__libcpp_atomic_refcount_incrementB9nqn220100IlEET_RS1_(long *n) { return __atomic_add_fetch(n, 1, ORDER); }
long __wrap__ZNSt3__234__libcpp_atomic_refcount_decrementB9nqn220100IlEET_RS1_(long *n) { return __atomic_add_fetch(n, -1, ORDER); }

// std::__cxx_atomic_compare_exchange_strong of unsigned char, of std::barrier
bool __wrap__ZNSt3__236__cxx_atomic_compare_exchange_strongB9nqn220100IhEEbPNS_22__cxx_atomic_base_implIT_EEPS2_S2_NS_12memory_orderES6_(
	unsigned char *p, unsigned char *expected, unsigned char v, int success, int failure) {
	return __atomic_compare_exchange_n(p, expected, v, 0, ORDER, ORDER);
}

// std::__cxx_atomic_fetch_add of int, of std::ios_base::xalloc
int __wrap__ZNSt3__222__cxx_atomic_fetch_addB9nqn220100IiEET_PNS_22__cxx_atomic_base_implIS1_EES1_NS_12memory_orderE(int *p, int n, int order) {
	return __atomic_fetch_add(p, n, ORDER);
}
