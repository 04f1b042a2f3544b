// What `./weft frames` is tested with: one coroutine whose frame clang elides, tasks whose frames stay, and a call that
// it must not inline.
#include <weft/weft.h>

#include <coroutine>

namespace {

// The least that is a generator: its frame never leaves the function that uses it.
struct numbers {
  struct promise_type {
    int value = 0;
    numbers get_return_object() noexcept { return numbers{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int v) noexcept {
      value = v;
      return {};
    }
    void return_void() noexcept {}
    void unhandled_exception() noexcept {}
  };
  explicit numbers(std::coroutine_handle<promise_type> h) noexcept : handle(h) {}
  ~numbers() { handle.destroy(); }
  std::coroutine_handle<promise_type> handle;
};

numbers up_to(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

}  // namespace

int sum_of_three() {
  numbers n = up_to(3);
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    n.handle.resume();
    sum += n.handle.promise().value;
  }
  return sum;
}

int twice(int x) { return 2 * x; }
[[gnu::noinline]] int kept_apart(int x) { return x + 1; }

weft::task<int> inner(int x) { co_return twice(x); }
weft::task<int> outer(int x) {
  const int y = co_await inner(x);
  co_return kept_apart(y);
}
