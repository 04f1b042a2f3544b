// Snapshots of the counts: sums over the threads, differences, tables. See counting_allocator.h.
#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"

#include <weft/counting_allocator.h>

#include "counting/heap_counts.h"
#include "os/symbol.h"

namespace weft::heap {

namespace {

auto key_of(const line& l) noexcept {
  return std::tuple(l.owner, reinterpret_cast<uintptr_t>(l.entry), reinterpret_cast<uintptr_t>(l.place));
}
bool is_before(const line& a, const line& b) noexcept { return key_of(a) < key_of(b); }
bool has_more(const line& a, const line& b) noexcept {
  const auto rank = [](const line& l) { return std::tuple(l.counted.allocations, l.counted.frees); };
  return rank(a) != rank(b) ? rank(a) > rank(b) : is_before(a, b);
}

// Sorts, and makes lines with the same key one.
void merge(detail::lines& all) {
  std::sort(all.begin(), all.end(), is_before);
  auto out = all.begin();
  for (auto in = all.begin(); in != all.end(); ++in) {
    if (out != all.begin() && key_of(*(out - 1)) == key_of(*in))
      (out - 1)->counted += in->counted;
    else
      *out++ = *in;
  }
  all.erase(out, all.end());
}

line line_of(const base::address_pair& key, const place_figures& f) noexcept {
  line l;
  if (key.first == &owner_starting) {
    l.owner = owner_kind::starting;
  } else if (key.first != nullptr && key.first != &owner_none) {
    l.owner = owner_kind::task;
    l.entry = key.first;
  }
  l.place = key.second;
  l.counted = {f.allocations.value(), f.allocated_bytes.value(), f.frees.value(), f.freed_bytes.value()};
  return l;
}

counts less(const counts& a, const counts& b) noexcept {
  return {a.allocations - b.allocations, a.allocated_bytes - b.allocated_bytes, a.frees - b.frees,
          a.freed_bytes - b.freed_bytes};
}

std::string owner_name(const line& l) {
  switch (l.owner) {
    case owner_kind::task: return os::function_of(l.entry);
    case owner_kind::starting: return "(starting a task)";
    case owner_kind::none: break;
  }
  return "(no task)";
}

std::string place_name(const void* place) {
  // The call is the instruction before; the one behind it may belong to the next function.
  return os::function_of(static_cast<const char*>(place) - 1);
}

// Places in one function of the program are one row: the same call may have been compiled several times.
struct row {
  std::string name;
  counts counted;
};

template <class Name>
std::vector<row> rows_of(const detail::lines& all, Name name) {
  std::vector<row> rows;
  for (const line& l : all) {
    std::string its = name(l);
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const row& r) { return r.name == its; });
    if (at != rows.end())
      at->counted += l.counted;
    else
      rows.push_back({std::move(its), l.counted});
  }
  std::sort(rows.begin(), rows.end(), [](const row& a, const row& b) {
    if (a.counted.allocations != b.counted.allocations) return a.counted.allocations > b.counted.allocations;
    return a.name < b.name;
  });
  return rows;
}

void append_rest(std::string& out, std::size_t all, std::size_t most) {
  if (all > most) absl::StrAppendFormat(&out, "and %d more\n", all - most);
}

}  // namespace

counts& counts::operator+=(const counts& other) noexcept {
  allocations += other.allocations;
  allocated_bytes += other.allocated_bytes;
  frees += other.frees;
  freed_bytes += other.freed_bytes;
  return *this;
}

snapshot take_snapshot() {
  detail::lines all;
  for_each_shard([&](const shard& s) {
    s.places.for_each([&](const base::address_pair& key, const place_figures& f) {
      const line l = line_of(key, f);
      if (l.counted != counts{}) all.push_back(l);
    });
  });
  merge(all);
  return snapshot(std::move(all));
}

snapshot snapshot::since(const snapshot& older) const {
  detail::lines all;
  auto old = older.lines_.begin();
  for (line l : lines_) {
    while (old != older.lines_.end() && is_before(*old, l)) ++old;
    if (old != older.lines_.end() && key_of(*old) == key_of(l)) l.counted = less(l.counted, old->counted);
    if (l.counted != counts{}) all.push_back(l);
  }
  return snapshot(std::move(all));
}

counts snapshot::total() const noexcept {
  counts sum;
  for (const line& l : lines_) sum += l.counted;
  return sum;
}

detail::lines snapshot::by_task() const {
  detail::lines all = lines_;
  for (line& l : all) l.place = nullptr;
  merge(all);
  std::sort(all.begin(), all.end(), has_more);
  return all;
}

detail::lines snapshot::by_place() const {
  detail::lines all;
  for (const line& l : lines_)
    if (l.place != nullptr) all.push_back({nullptr, owner_kind::none, l.place, l.counted});
  merge(all);
  std::sort(all.begin(), all.end(), has_more);
  return all;
}

counts snapshot::of_task(std::string_view function) const {
  counts sum;
  for (const line& l : by_task())
    if (l.owner == owner_kind::task && owner_name(l) == function) sum += l.counted;
  return sum;
}

std::string snapshot::text(std::size_t most_rows) const {
  const counts all = total();
  std::string out =
      absl::StrFormat("%d allocations, %d bytes; %d frees; live blocks %+d, live bytes %+d\n", all.allocations,
                      all.allocated_bytes, all.frees, all.live_blocks(), all.live_bytes());
  if (lines_.empty()) return out;
  absl::StrAppendFormat(&out, "\n%12s %14s %12s %12s %14s  task\n", "allocations", "bytes", "frees", "live blocks",
                        "live bytes");
  const std::vector<row> tasks = rows_of(by_task(), owner_name);
  for (std::size_t i = 0; i < std::min(most_rows, tasks.size()); ++i) {
    const counts& c = tasks[i].counted;
    absl::StrAppendFormat(&out, "%12d %14d %12d %+12d %+14d  %s\n", c.allocations, c.allocated_bytes, c.frees,
                          c.live_blocks(), c.live_bytes(), tasks[i].name);
  }
  append_rest(out, tasks.size(), most_rows);
  absl::StrAppendFormat(&out, "\n%12s %14s  allocated in\n", "allocations", "bytes");
  const std::vector<row> places = rows_of(by_place(), [](const line& l) { return place_name(l.place); });
  for (std::size_t i = 0; i < std::min(most_rows, places.size()); ++i)
    absl::StrAppendFormat(&out, "%12d %14d  %s\n", places[i].counted.allocations, places[i].counted.allocated_bytes,
                          places[i].name);
  append_rest(out, places.size(), most_rows);
  return out;
}

}  // namespace weft::heap
