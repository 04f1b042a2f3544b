// Functions are called by their names, coroutines by the function that was written.
#include "os/symbol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <coroutine>
#include <cstdint>
#include <string>
#include <utility>

namespace weft_symbol_test {

// Not in an anonymous namespace and not inlined, so that each has a symbol of its own.
[[gnu::noinline]] int plain_function(int n) { return n + 1; }

template <class T>
[[gnu::noinline]] std::pair<int, T> template_function(T value) {
  return {1, value};
}

[[gnu::noinline]] int not_an_operator(int n) { return n - 2; }

struct number {
  int value;
};
[[gnu::noinline]] bool operator<(const number& a, const number& b) { return a.value < b.value; }
[[gnu::noinline]] number operator-(const number& a) { return {-a.value}; }

// The least that is a coroutine: it stops at its start and is destroyed by its handle.
struct fire {
  struct promise_type {
    fire get_return_object() { return fire{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  explicit fire(std::coroutine_handle<> h) : handle(h) {}
  std::coroutine_handle<> handle;
};

[[gnu::noinline]] fire some_coroutine(int n) {
  plain_function(n);
  co_return;
}

}  // namespace weft_symbol_test

namespace weft::os {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A frame begins with the addresses of its resume and its destroy function, on every ABI that this project knows.
const void* resume_address(std::coroutine_handle<> handle) { return *static_cast<void* const*>(handle.address()); }
const void* destroy_address(std::coroutine_handle<> handle) { return static_cast<void* const*>(handle.address())[1]; }

TEST(SymbolTest, NamesAFunction) {
  const auto* const address = reinterpret_cast<const void*>(&weft_symbol_test::plain_function);
  EXPECT_THAT(symbol_name(address), StartsWith("weft_symbol_test::plain_function("));
  EXPECT_EQ(function_of(address), "weft_symbol_test::plain_function");
}

TEST(SymbolTest, NamesAFunctionByAnAddressInside) {
  const auto* const address = reinterpret_cast<const char*>(&weft_symbol_test::plain_function) + 1;
  EXPECT_EQ(function_of(address), "weft_symbol_test::plain_function");
}

TEST(SymbolTest, NamesATemplateWithoutItsReturnType) {
  const auto* const address = reinterpret_cast<const void*>(&weft_symbol_test::template_function<int>);
  EXPECT_THAT(function_of(address), StartsWith("weft_symbol_test::template_function<"));
}

TEST(SymbolTest, NamesOperators) {
  using weft_symbol_test::number;
  const auto name_of = [](auto* function) { return function_of(reinterpret_cast<const void*>(function)); };
  EXPECT_EQ(name_of(static_cast<bool (*)(const number&, const number&)>(&weft_symbol_test::operator<)),
            "weft_symbol_test::operator<");
  EXPECT_EQ(name_of(static_cast<number (*)(const number&)>(&weft_symbol_test::operator-)),
            "weft_symbol_test::operator-");
  EXPECT_EQ(name_of(&weft_symbol_test::not_an_operator), "weft_symbol_test::not_an_operator");
}

TEST(SymbolTest, NamesACoroutineByTheFunctionThatWasWritten) {
  const weft_symbol_test::fire coroutine = weft_symbol_test::some_coroutine(1);
  const void* const resume = resume_address(coroutine.handle);
  const void* const destroy = destroy_address(coroutine.handle);
  EXPECT_EQ(function_of(resume), "weft_symbol_test::some_coroutine");
  EXPECT_EQ(function_of(destroy), "weft_symbol_test::some_coroutine");
  EXPECT_THAT(symbol_name(resume), StartsWith("weft_symbol_test::some_coroutine"));
  coroutine.handle.destroy();
}

TEST(SymbolTest, NamesALambdaThatIsACoroutine) {
  const auto lambda = [](int n) -> weft_symbol_test::fire {
    weft_symbol_test::plain_function(n);
    co_return;
  };
  const weft_symbol_test::fire coroutine = lambda(1);
  EXPECT_THAT(function_of(resume_address(coroutine.handle)), HasSubstr("operator()"));
  coroutine.handle.destroy();
}

TEST(SymbolTest, UnknownAddressesAreNumbers) {
  const auto* const nowhere = reinterpret_cast<const void*>(uintptr_t{0x10});
  EXPECT_EQ(symbol_name(nowhere), "0x10");
  EXPECT_EQ(function_of(nowhere), "0x10");
}

}  // namespace
}  // namespace weft::os
