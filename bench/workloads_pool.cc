// Workloads of weft_workloads: pools.
//
//   poolhot       a task for each processor gets an object, adds one and gives it back; ns per pair of a task
//   poolhundred   a task for each processor gets 100 objects and gives 100 back; ns per object of
//                 a task
//   poolstarve    one task only gets, another only gives back, and the objects go from the first to the second in
//                 batches of 256; ns per object
#include <array>
#include <cstdint>
#include <span>

#include <weft/runtime.h>

#include "peers/peer.h"
#include "pool_work.h"
#include "workloads.h"

namespace {

double run_each(weft::runtime& rt, weft::task<std::uint64_t> (*work)(pool_work::objects*, std::uint64_t)) {
  const int processors = rt.processors();
  return peer::ns_per_op([&](std::uint64_t count) {
    count = (count + 99) / 100 * 100;
    peer::check(rt.run(pool_work::on_each, work, processors, count) == count * static_cast<std::uint64_t>(processors),
                "pool: wrong count");
  });
}

double run_poolhot(weft::runtime& rt) { return run_each(rt, pool_work::use_often); }
double run_poolhundred(weft::runtime& rt) { return run_each(rt, pool_work::use_hundreds); }

double run_poolstarve(weft::runtime& rt) {
  constexpr std::uint64_t batch = pool_work::one_way::batch;
  return peer::ns_per_op(
      [&](std::uint64_t count) {
        const std::uint64_t batches = count / batch + 1;
        peer::check(rt.run(pool_work::carry, batches, static_cast<weft::pool_stats*>(nullptr)) == batches * batch,
                    "poolstarve: wrong count");
      },
      100'000);
}

constexpr std::array<weft_bench::workload, 3> workloads{{
    {"poolhot", "ns/pair", run_poolhot},
    {"poolhundred", "ns/object", run_poolhundred},
    {"poolstarve", "ns/object", run_poolstarve},
}};

}  // namespace

std::span<const weft_bench::workload> weft_bench::pool_workloads() { return workloads; }
