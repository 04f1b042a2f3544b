// See trace_recorder.h.
#include "sched/trace_recorder.h"

#include <algorithm>
#include <compare>
#include <new>
#include <string>
#include <vector>

namespace weft::detail {

namespace {

struct line {
  int64_t arrived;
  int64_t work_ns;

  friend auto operator<=>(const line&, const line&) = default;
};

}  // namespace

trace_recorder::~trace_recorder() {
  // relaxed: nobody else is left.
  for (auto& each : chunks_) delete each.load(std::memory_order_relaxed);
}

void trace_recorder::arrived(uint64_t id, int64_t now_ns) noexcept {
  const int64_t at = now_ns - start_ns_;
  if (id < most_tasks && at <= longest_ns) {
    std::atomic<chunk*>& place = chunks_[id / chunk_size];
    // acquire: pairs with the CAS below, whoever did it.
    chunk* there = place.load(std::memory_order_acquire);
    if (there == nullptr) {
      chunk* const made = new (std::nothrow) chunk;
      // acq_rel: publishes the chunk; acquire: or it is another's, which came first.
      if (made != nullptr &&
          !place.compare_exchange_strong(there, made, std::memory_order_acq_rel, std::memory_order_acquire))
        delete made;
      else
        there = made;
    }
    if (there != nullptr) {
      // relaxed: published by whatever makes the task ready.
      (*there)[id % chunk_size].arrived.store(at + 1, std::memory_order_relaxed);
      return;
    }
  }
  // relaxed: a figure.
  left_out_.fetch_add(1, std::memory_order_relaxed);
}

trace_recorder::record* trace_recorder::find(uint64_t id) noexcept {
  if (id >= most_tasks) return nullptr;
  // acquire: pairs with the CAS in arrived().
  chunk* const there = chunks_[id / chunk_size].load(std::memory_order_acquire);
  return there != nullptr ? &(*there)[id % chunk_size] : nullptr;
}

void trace_recorder::worked(uint64_t id, int64_t ns) noexcept {
  // relaxed: a sum, to which forks of one task add at once; write() comes after the threads have ended.
  if (record* r = find(id)) r->work_ns.fetch_add(ns, std::memory_order_relaxed);
}

absl::Status trace_recorder::write() noexcept {
  std::vector<line> lines;
  for (auto& each : chunks_) {
    // acquire: pairs with the CAS in arrived(): plain threads may still be starting tasks that nobody will run.
    chunk* const there = each.load(std::memory_order_acquire);
    if (there == nullptr) continue;
    for (const record& r : *there)
      // relaxed: the workers have ended.
      if (const int64_t at = r.arrived.load(std::memory_order_relaxed); at != 0)
        // relaxed: as above.
        lines.push_back({at - 1, std::min(r.work_ns.load(std::memory_order_relaxed), longest_ns)});
  }
  std::sort(lines.begin(), lines.end());
  std::string text = "weft-trace 1\n# arrival ns   work ns   bytes\n";
  const int64_t first = lines.empty() ? 0 : lines.front().arrived;
  for (const line& l : lines) {
    text += std::to_string(l.arrived - first) + " " + std::to_string(l.work_ns) + " 0\n";
    if (text.size() < 65536) continue;
    file_.write(text);
    text.clear();
  }
  file_.write(text);
  return file_.close();
}

}  // namespace weft::detail
