// The four questions, each as a table of figures.
#include "check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <span>
#include <string_view>

#include "session.h"
#include "show.h"

namespace weft_lab {

namespace {

// A figure that is looked at: the sum of these names' values. Those that were not measured count as 0, unless all are.
struct part {
  std::string_view what;
  std::string_view unit;
  std::array<std::string_view, 3> names;
  bool per_operation;
  criteria bounds;
  bool is_sum = false;
};

constexpr double level = 0.999;

// Less than one in 10,000 operations is what happens now and then, not what an operation costs.
constexpr criteria count_per_operation{level, 0.02, 1e-4};
constexpr criteria bytes_per_operation{level, 0.02, 1e-2};
constexpr criteria footprint{level, 0.02, 128 * 1024};
constexpr criteria latency{level, 0.10, 0};

constexpr part allocation_parts[] = {
    {"heap: calls of operator new", "/op", {"heap_allocations"}, true, count_per_operation},
    {"heap: bytes", "B/op", {"heap_allocated_bytes"}, true, bytes_per_operation},
    {"stacks: blocks of tasks", "/op", {"/gc/heap/allocs:objects"}, true, count_per_operation},
    {"stacks: bytes of those blocks", "B/op", {"/gc/heap/allocs:bytes"}, true, bytes_per_operation},
    {"stacks: segments grown", "/op", {"/weft/stack/growths:segments"}, true, count_per_operation},
    {"pools: objects made", "/op", {"/weft/pool/misses:gets"}, true, count_per_operation},
    {"pools: objects that were there",
     "/op",
     {"/weft/pool/private:gets", "/weft/pool/shared:gets", "/weft/pool/stolen:gets"},
     true,
     count_per_operation},
    {"all: blocks",
     "/op",
     {"heap_allocations", "/gc/heap/allocs:objects", "/weft/stack/growths:segments"},
     true,
     count_per_operation,
     true},
    {"all: bytes", "B/op", {"heap_allocated_bytes", "/gc/heap/allocs:bytes"}, true, bytes_per_operation, true},
};

constexpr part live_parts[] = {
    {"peak: stacks", "B", {"peak_stacks_bytes"}, false, footprint},
    {"settled: stacks", "B", {"settled_stacks_bytes"}, false, footprint},
    {"settled: pools and channels", "B", {"settled_pools_and_channels_bytes"}, false, footprint},
    {"settled: program's heap", "B", {"settled_heap_bytes"}, false, footprint},
    {"peak: resident memory", "B", {"peak_resident_bytes"}, false, footprint, true},
    {"settled: resident memory", "B", {"settled_resident_bytes"}, false, footprint, true},
};

// A program's snapshot says what was held when it was written.
constexpr part live_parts_of_program[] = {
    {"peak: stacks", "B", {"/weft/memory/stacks-peak:bytes"}, false, footprint},
    {"at the end: stacks", "B", {"/weft/memory/stacks:bytes"}, false, footprint},
    {"at the end: pools and channels", "B", {"/memory/classes/other:bytes"}, false, footprint},
    {"at the end: program's heap", "B", {"/weft/memory/program-heap:bytes"}, false, footprint},
    {"peak: resident memory", "B", {"peak_resident_bytes"}, false, footprint, true},
    {"at the end: weft holds", "B", {"/weft/memory/held:bytes"}, false, footprint, true},
};

constexpr part contention_parts[] = {
    {"ready to running, median", "s", {"/sched/latencies:seconds#p50"}, false, latency},
    {"ready to running, 99th percentile", "s", {"/sched/latencies:seconds#p99"}, false, latency},
    {"locks taken from another processor", "/op", {"/weft/locks/crossings:locks"}, true, count_per_operation},
    {"waits for weft's locks and mutexes", "s/op", {"/sync/mutex/wait/total:seconds"}, true, {level, 0.1, 1e-10}},
    {"steals", "/op", {"/weft/sched/steals:steals", "/weft/sched/run-next-steals:strands"}, true, count_per_operation},
    {"wakes of other workers", "/op", {"/weft/sched/wakes:wakes"}, true, count_per_operation},
    {"searches for work", "/op", {"/weft/sched/searches:searches"}, true, count_per_operation},
    {"overflows of a queue", "/op", {"/weft/sched/overflows:strands"}, true, count_per_operation},
};

constexpr part shutdown_parts[] = {
    {"time to drain", "ns", {"drain_ns"}, false, {level, 0.2, 100'000}},
    {"tasks that were still there", "", {"tasks_at_shutdown"}, false, {level, 0.01, 0.5}},
    {"stragglers that had to be ended", "", {"stragglers"}, false, {level, 0.01, 0.5}},
};

std::vector<double> values_of(const part& p, const std::vector<record>& runs) {
  std::vector<double> values;
  for (const record& r : runs) {
    double sum = std::numeric_limits<double>::quiet_NaN();
    for (const std::string_view name : p.names) {
      const double value = name.empty() ? std::numeric_limits<double>::quiet_NaN() : figure(r, name);
      if (!std::isnan(value)) sum = std::isnan(sum) ? value : sum + value;
    }
    values.push_back(p.per_operation ? sum / figure(r, "operations") : sum);
  }
  return values;
}

bool has(const std::vector<record>& runs, std::string_view name) {
  return !runs.empty() && std::ranges::all_of(runs, [&](const record& r) { return !std::isnan(figure(r, name)); });
}

// The rule of check.h.
std::string_view verdict_of(const std::vector<verdict>& parts, const std::vector<verdict>& sums) {
  const auto any = [](const std::vector<verdict>& list, verdict v) { return std::ranges::find(list, v) != list.end(); };
  const bool measured = std::ranges::any_of(parts, [](verdict v) { return v != verdict::unknown; });
  if (!measured) return "not measured";
  const bool less = any(parts, verdict::less);
  const bool more = any(parts, verdict::more);
  const bool sum_less = any(sums, verdict::less);
  const bool sum_more = any(sums, verdict::more);
  if (sum_less && !sum_more) return "yes";
  if (sum_more && !sum_less) return "no";
  if ((less && more) || (sum_less && sum_more)) return "only moved";
  if (less) return sums.empty() ? "yes" : "no measurable difference";
  if (more) return sums.empty() ? "no" : "no measurable difference";
  return "no measurable difference";
}

answer answer_with(std::string question, std::span<const part> parts, const std::vector<record>& a,
                   const std::vector<record>& b, uint64_t seed) {
  answer out;
  out.question = std::move(question);
  std::vector<verdict> single;
  std::vector<verdict> sums;
  for (const part& p : parts) {
    const comparison c = compare(values_of(p, a), values_of(p, b), p.bounds, seed);
    if (std::isnan(c.a) || std::isnan(c.b)) continue;
    (p.is_sum ? sums : single).push_back(c.found);
    out.parts.push_back({std::string(p.what), std::string(p.unit), c});
  }
  out.verdict = verdict_of(single, sums);
  return out;
}

// The parts that differ, for the sentence: "steals 0.5 -> 0.1".
std::string changes(const answer& of) {
  std::string text;
  for (const evidence& e : of.parts) {
    if (e.compared.found != verdict::less && e.compared.found != verdict::more) continue;
    if (!text.empty()) text += "; ";
    text += e.what + " " + show(e.compared.a, e.unit) + " -> " + show(e.compared.b, e.unit);
  }
  return text;
}

void put_sentence(answer& out, std::string_view yes, std::string_view moved, std::string_view no) {
  const std::string changed = changes(out);
  if (out.verdict == "yes") {
    out.sentence = std::string(yes) + ": " + changed;
  } else if (out.verdict == "only moved") {
    out.sentence = std::string(moved) + ": " + changed;
  } else if (out.verdict == "no") {
    out.sentence = std::string(no) + ": " + changed;
  } else if (out.verdict == "not measured") {
    out.sentence = "the runs have no such figures, or there were too few rounds";
  } else {
    out.sentence = changed.empty() ? "nothing differs measurably" : "in sum nothing differs measurably, but " + changed;
  }
}

}  // namespace

std::vector<answer> practical_check(const std::vector<record>& a, const std::vector<record>& b, uint64_t seed) {
  std::vector<answer> answers;
  answers.push_back(answer_with("Does it reduce allocations, or only move them?", allocation_parts, a, b, seed));
  put_sentence(answers.back(), "fewer", "some are fewer, others more", "more");
  if (!has(a, "heap_allocations") || !has(b, "heap_allocations"))
    answers.back().notes.push_back("the program's own heap was not counted: link weft::counting_allocator for that");
  for (const auto* side : {&a, &b}) {
    if (side->empty() || side->back().places.empty()) continue;
    answers.back().notes.push_back(side == &a ? "operator new in the last run of A:"
                                              : "operator new in the last run of B:");
    for (const std::string& place : side->back().places)
      if (!place.empty()) answers.back().notes.push_back("  " + place);
  }

  const bool settled = has(a, "settled_resident_bytes") && has(b, "settled_resident_bytes");
  answers.push_back(answer_with(
      "Does it lower the live set, or just spread memory?",
      settled ? std::span<const part>(live_parts) : std::span<const part>(live_parts_of_program), a, b, seed));
  put_sentence(answers.back(), "lower", "spread: some is less, other more", "higher");

  answers.push_back(answer_with("Does it reduce contention among runnable tasks?", contention_parts, a, b, seed));
  put_sentence(answers.back(), "reduced", "moved: some is less, other more", "increased");

  answers.push_back(answer_with("Does it simplify shutdown, or complicate it?", shutdown_parts, a, b, seed));
  put_sentence(answers.back(), "simpler", "some is simpler, other harder", "harder");
  for (const auto* side : {&a, &b})
    for (const record& r : *side)
      for (const std::string& s : r.stragglers) {
        const std::string note = std::string(side == &a ? "A" : "B") + " left behind " + s;
        if (std::ranges::find(answers.back().notes, note) == answers.back().notes.end())
          answers.back().notes.push_back(note);
      }
  return answers;
}

}  // namespace weft_lab
