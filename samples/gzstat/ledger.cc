// Counts files when they begin and when they end.
#include "ledger.h"

namespace gzstat {

uint64_t ledger::ended(place p) const noexcept {
  // relaxed: read for the report, after the tasks have been waited for.
  return ended_[static_cast<std::size_t>(p)].load(std::memory_order_relaxed);
}

uint64_t ledger::in_flight() const noexcept {
  return ended(place::reading) + ended(place::inflating) + ended(place::parsing) + ended(place::reducing);
}

uint64_t ledger::found() const noexcept {
  // relaxed: as in ended().
  return found_.load(std::memory_order_relaxed);
}

file::file(ledger& book, std::string path) : book_(book), path_(std::move(path)) {
  // relaxed: a count.
  book_.found_.fetch_add(1, std::memory_order_relaxed);
}

file::~file() {
  // relaxed: whoever drops the last reference sees what the other holders did.
  const bool failed = failed_.load(std::memory_order_relaxed);
  // relaxed: a count.
  book_.ended_[static_cast<std::size_t>(failed ? place::bad : place_)].fetch_add(1, std::memory_order_relaxed);
}

void file::fail() noexcept {
  // relaxed: read by the destructor alone.
  failed_.store(true, std::memory_order_relaxed);
}

}  // namespace gzstat
