// C++: threads, mutexes, condition variables, thread_local with destructors, call_once, statics, shared and weak pointers,
// atomic waiting, latch and barrier.
#include "check.h"
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::atomic<int> made, destroyed;
struct Local {
	int value = 5;
	Local() { made++; }
	~Local() { destroyed++; }
};
static thread_local Local local;

template <class F> static void on_threads(int n, F f) {
	std::vector<std::thread> t;
	for (int i = 0; i < n; i++)
		t.emplace_back(f, i);
	for (auto &x : t)
		x.join();
}

static void mutexes() {
	std::mutex m;
	std::recursive_mutex r;
	std::timed_mutex timed;
	std::shared_mutex s;
	int a = 0, b = 0, c = 0;
	on_threads(6, [&](int i) {
		for (int k = 0; k < 500; k++) {
			{
				std::lock_guard<std::mutex> l(m);
				a++;
			}
			{
				std::lock_guard<std::recursive_mutex> l1(r), l2(r);
				b++;
			}
			if (i % 2) {
				std::unique_lock<std::shared_mutex> l(s);
				c++;
			} else {
				std::shared_lock<std::shared_mutex> l(s);
				CHECK(c >= 0);
			}
			while (!timed.try_lock_for(1ms))
				;
			timed.unlock();
		}
	});
	CHECK(a == 3000 && b == 3000 && c == 1500);
}

static void conditions() {
	std::mutex m;
	std::condition_variable c;
	std::condition_variable_any any;
	int turn = 0;
	std::thread t([&] {
		for (int i = 0; i < 1000; i++) {
			std::unique_lock<std::mutex> l(m);
			c.wait(l, [&] { return turn == 1; });
			turn = 0;
			any.notify_one();
		}
	});
	for (int i = 0; i < 1000; i++) {
		std::unique_lock<std::mutex> l(m);
		turn = 1;
		c.notify_one();
		any.wait(l, [&] { return turn == 0; });
	}
	t.join();
	std::unique_lock<std::mutex> l(m);
	auto before = std::chrono::steady_clock::now();
	CHECK(!c.wait_for(l, 10ms, [] { return false; }));
	CHECK(std::chrono::steady_clock::now() - before >= 10ms);
	CHECK(c.wait_until(l, std::chrono::system_clock::now() + 5ms) == std::cv_status::timeout);
}

static void once() {
	static std::atomic<int> inits;
	struct Slow {
		Slow() {
			std::this_thread::sleep_for(5ms);
			inits++;
		}
	};
	std::once_flag flag;
	int called = 0;
	on_threads(8, [&](int) {
		static Slow slow;
		CHECK(inits == 1);
		std::call_once(flag, [&] {
			std::this_thread::sleep_for(5ms);
			called++;
		});
		CHECK(called == 1);
	});
}

static void pointers() {
	std::atomic<int> deleted{0};
	for (int round = 0; round < 20; round++) {
		std::shared_ptr<int> p(new int(round), [&](int *x) {
			deleted++;
			delete x;
		});
		std::weak_ptr<int> w = p;
		std::atomic<bool> gone{false};
		on_threads(6, [&, p](int i) mutable {
			for (int k = 0; k < 300; k++) {
				std::shared_ptr<int> q = w.lock();
				CHECK(q && *q == round);
				std::weak_ptr<int> v = q;
				std::shared_ptr<int> copy = p;
				CHECK(v.use_count() >= 2);
			}
			if (i == 0)
				p.reset();
		});
		CHECK(p.use_count() == 1 && deleted == round);
		// The last strong pointer goes while others try to get one.
		std::thread taker([&] {
			while (auto q = w.lock())
				CHECK(*q == round);
			gone = true;
		});
		p.reset();
		taker.join();
		CHECK(gone && deleted == round + 1);
	}
}

static void waiting() {
	std::atomic<int> a{0};
	std::atomic<long long> wide{0};
	std::thread t([&] {
		for (int i = 0; i < 500; i++) {
			a.wait(2 * i);
			CHECK(a == 2 * i + 1);
			a = 2 * i + 2;
			a.notify_one();
		}
		wide.wait(0);
		wide = 2;
		wide.notify_all();
	});
	for (int i = 0; i < 500; i++) {
		a = 2 * i + 1;
		a.notify_one();
		a.wait(2 * i + 1);
	}
	wide = 1;
	wide.notify_all();
	wide.wait(1);
	t.join();
	CHECK(wide == 2);

	std::latch latch(4);
	std::barrier barrier(4);
	std::counting_semaphore<10> sem(0);
	std::atomic<int> rounds{0};
	on_threads(4, [&](int) {
		latch.arrive_and_wait();
		for (int i = 0; i < 100; i++) {
			rounds++;
			barrier.arrive_and_wait();
			CHECK(rounds >= 4 * (i + 1));
			if (i == 0)
				sem.release();
			barrier.arrive_and_wait();
		}
		sem.acquire();
		latch.wait();
	});
}

int main() {
	mutexes();
	conditions();
	once();
	pointers();
	waiting();
	local.value = 1;
	int before = made, gone = destroyed;
	on_threads(5, [](int i) {
		CHECK(local.value == 5);
		local.value = i;
	});
	CHECK(made == before + 5 && destroyed == gone + 5 && local.value == 1);
	std::thread([] { local.value++; }).detach();
	return OK();
}
