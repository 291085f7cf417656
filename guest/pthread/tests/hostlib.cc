// Threads that the host starts in a library (a reactor) in C++: destructors of thread_local objects, threads of the library's own.
#include "check.h"
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#define EXPORT(name) extern "C" __attribute__((export_name(#name))) int name

static std::atomic<int> born, dead;
struct local {
	int mine;
	std::string text = std::string(100, 'x');
	local() : mine(++born) {}
	~local() {
		CHECK(text.size() == 100 + (size_t)mine % 7);
		++dead;
	}
};
static thread_local local object;

static std::map<int, std::string> shared = {{0, "from the constructor of a static object"}};
static std::mutex guard;

EXPORT(fill)(int who, int n) {
	object.text += std::string((size_t)object.mine % 7, 'y');
	for (int i = 0; i < n; i++) {
		std::string s = std::to_string(who) + ":" + std::to_string(i);
		std::lock_guard lock(guard);
		shared[who * 1000 + i] = s;
	}
	return 0;
}
EXPORT(check)(int who, int n) {
	std::lock_guard lock(guard);
	if (shared[0] != "from the constructor of a static object")
		return 1;
	for (int i = 0; i < n; i++)
		if (shared[who * 1000 + i] != std::to_string(who) + ":" + std::to_string(i))
			return 2;
	return 0;
}
EXPORT(parallel)(int who, int n) {
	std::vector<std::thread> ts;
	for (int i = 0; i < 4; i++)
		ts.emplace_back([=] { fill(who * 4 + i, n); });
	for (auto &t : ts)
		t.join();
	for (int i = 0; i < 4; i++)
		if (int e = check(who * 4 + i, n))
			return e;
	return 0;
}
EXPORT(living)(void) { return born - dead; }
EXPORT(births)(void) { return born; }
