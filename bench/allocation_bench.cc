// What counting costs: operator new and delete as they are, and as weft::counting_allocator counts them.
//
// The file is built into two programs, allocation_bench and allocation_counted_bench; compare the figures of one run of
// each. The blocks come straight back, so malloc is at its fastest and the difference is all of the counting.
//
//   BM_NewDelete/SIZE     ::operator new(SIZE) and delete on a plain thread; ns per pair
//   BM_NewDeleteInTask    the same in a task, which is looked up for its function
//   BM_VectorInTask       a std::vector<int> of 16 that is filled and dropped
//   BM_TwoHundredPlaces   200 call sites in turn, so that the table of places does not stay in the first cache level
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include <weft/task.h>

#include "bench_support.h"

namespace {

// The compiler may leave out a pair whose block nobody sees.
void* opaque(void* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

void BM_NewDelete(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) ::operator delete(opaque(::operator new(bytes)));
}
BENCHMARK(BM_NewDelete)->Arg(16)->Arg(64)->Arg(1024);

weft::task<int64_t> pairs(int64_t n) {
  for (int64_t i = 0; i < n; ++i) ::operator delete(opaque(::operator new(64)));
  co_return n;
}
void BM_NewDeleteInTask(benchmark::State& state) {
  const int64_t n = 1'000'000;
  weft_bench::run_batches(state, state.range(0), "ns/pair", n, n, pairs, n);
}
BENCHMARK(BM_NewDeleteInTask)->Apply(weft_bench::on_processors);

weft::task<int64_t> vectors(int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    std::vector<int> v(16, 1);
    opaque(v.data());
  }
  co_return n;
}
void BM_VectorInTask(benchmark::State& state) {
  const int64_t n = 1'000'000;
  weft_bench::run_batches(state, state.range(0), "ns/vector", n, n, vectors, n);
}
BENCHMARK(BM_VectorInTask)->Apply(weft_bench::on_processors);

template <std::size_t>
[[gnu::noinline]] void one_place() {
  ::operator delete(opaque(::operator new(64)));
}
template <std::size_t... I>
constexpr std::array<void (*)(), sizeof...(I)> places_of(std::index_sequence<I...>) {
  return {&one_place<I>...};
}
constexpr auto places = places_of(std::make_index_sequence<200>());

void BM_TwoHundredPlaces(benchmark::State& state) {
  std::size_t i = 0;
  for (auto _ : state) {
    places[i]();
    i = i + 1 == places.size() ? 0 : i + 1;
  }
}
BENCHMARK(BM_TwoHundredPlaces);

}  // namespace
