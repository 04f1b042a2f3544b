// The explorer: logical threads and their store buffers, the points of choice, and the ways to choose.
//
// How one execution runs: setup on a fiber of its own; then one fiber per thread, of which exactly one runs; then
// finally, again on a fiber. At a point (explorer::point) the running fiber lists what could happen next, lets the
// strategy pick, carries out what it can (a drain) and switches to another fiber if that is the pick. A thread that
// ends or pauses does the same without the alternative of going on. A failure switches to the main fiber for good.
#include "support/explore.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>

#include "base/fast_random.h"
#include "support/fiber.h"

namespace weft::test {
namespace {

// What may happen next at a point.
struct alternative {
  enum class kind_t : uint8_t { go_on, switch_thread, commit };
  kind_t kind;
  uint8_t thread;  // who runs next, or whose stores drain
  uint8_t count;   // how many of the leaving thread's, or of that thread's, stores drain first
  uint8_t cost;    // deviations
};

using alternatives = std::vector<alternative>;

// Picks an index at each point that has a choice; one beyond the list means that the test runs differently this time.
class strategy {
 public:
  virtual ~strategy() = default;
  virtual size_t choose(const alternatives& choices) = 0;
};

// Every execution within a budget of deviations, one after another.
class depth_first final : public strategy {
 public:
  explicit depth_first(int budget) : budget_(budget) {}

  size_t choose(const alternatives& choices) override {
    if (depth_ == path_.size()) path_.push_back({0, none});
    node& here = path_[depth_++];
    here.next = next_affordable(choices, here.chosen + 1);
    spent_ += here.chosen < choices.size() ? choices[here.chosen].cost : 0;
    return here.chosen;
  }

  // Moves to the next execution; false when there is none.
  bool advance() {
    path_.resize(depth_);
    while (!path_.empty() && path_.back().next == none) path_.pop_back();
    depth_ = 0;
    spent_ = 0;
    if (path_.empty()) return false;
    path_.back().chosen = path_.back().next;
    return true;
  }

  // Whether the budget kept something out.
  [[nodiscard]] bool pruned() const { return pruned_; }

 private:
  static constexpr size_t none = std::numeric_limits<size_t>::max();

  struct node {
    size_t chosen;
    size_t next;
  };

  size_t next_affordable(const alternatives& choices, size_t from) {
    for (size_t i = from; i < choices.size(); ++i) {
      if (spent_ + choices[i].cost <= budget_) return i;
      pruned_ = true;
    }
    return none;
  }

  const int budget_;
  std::vector<node> path_;
  size_t depth_ = 0;
  int spent_ = 0;
  bool pruned_ = false;
};

// Mostly goes on, now and then takes any other alternative.
class random_walk final : public strategy {
 public:
  explicit random_walk(base::fast_random& random) : random_(random), rarity_(2u << random.below(5)) {}

  size_t choose(const alternatives& choices) override {
    if (choices[0].kind == alternative::kind_t::go_on && random_.below(rarity_) != 0) return 0;
    return random_.below(static_cast<uint32_t>(choices.size()));
  }

 private:
  base::fast_random& random_;
  const uint32_t rarity_;
};

// Runs the thread with the highest priority; at a few random points the running one drops below all others.
class random_priorities final : public strategy {
 public:
  random_priorities(base::fast_random& random, int64_t expected_points) : random_(random) {
    for (int i = 0; i < execution::max_threads; ++i) priorities_[static_cast<size_t>(i)] = i;
    for (size_t i = priorities_.size(); i > 1; --i) {
      std::swap(priorities_[i - 1], priorities_[random_.below(static_cast<uint32_t>(i))]);
    }
    const auto range = static_cast<uint32_t>(std::max<int64_t>(expected_points, 1));
    for (int64_t& drop : drops_) drop = random_.below(range);
  }

  size_t choose(const alternatives& choices) override {
    const bool drops = std::find(drops_.begin(), drops_.end(), points_++) != drops_.end();
    if (drops && choices[0].kind == alternative::kind_t::go_on) priorities_[choices[0].thread] = --lowest_;
    if (random_.below(8) == 0) return random_.below(static_cast<uint32_t>(choices.size()));
    size_t best = choices.size();
    for (size_t i = 0; i < choices.size(); ++i) {
      if (choices[i].kind == alternative::kind_t::commit) continue;
      if (best == choices.size() || priority(choices[i]) > priority(choices[best])) best = i;
      // The same thread with more stores held back comes later in the list.
      if (priority(choices[i]) == priority(choices[best]) && random_.below(2) == 0) best = i;
    }
    return best == choices.size() ? 0 : best;
  }

 private:
  [[nodiscard]] int priority(const alternative& choice) const { return priorities_[choice.thread]; }

  base::fast_random& random_;
  std::array<int, execution::max_threads> priorities_{};
  std::array<int64_t, 3> drops_{};
  int64_t points_ = 0;
  int lowest_ = 0;
};

// A schedule is what deviates from "always the first alternative": "17:2,23:1" is index 2 at the 17th point and so on.
constexpr std::string_view default_schedule = "-";

class replay final : public strategy {
 public:
  explicit replay(std::string_view schedule) {
    const char* at = schedule.data();
    const char* const end = at + schedule.size();
    if (schedule == default_schedule) return;
    while (at < end) {
      pick next{};
      const auto point = std::from_chars(at, end, next.point);
      if (point.ec != std::errc() || point.ptr == end || *point.ptr != ':') break;
      const auto index = std::from_chars(point.ptr + 1, end, next.index);
      if (index.ec != std::errc()) break;
      picks_.push_back(next);
      at = index.ptr;
      if (at < end && *at == ',') ++at;
    }
    valid_ = at == end;
  }

  [[nodiscard]] bool valid() const { return valid_; }

  size_t choose(const alternatives&) override {
    const size_t point = point_++;
    for (const pick& p : picks_) {
      if (p.point == point) return p.index;
    }
    return 0;
  }

 private:
  struct pick {
    size_t point;
    size_t index;
  };

  std::vector<pick> picks_;
  size_t point_ = 0;
  bool valid_ = true;
};

void join(model::vector_clock& into, const model::vector_clock& other) {
  for (size_t i = 0; i < into.size(); ++i) into[i] = std::max(into[i], other[i]);
}

bool before(const model::vector_clock& earlier, const model::vector_clock& later) {
  for (size_t i = 0; i < earlier.size(); ++i) {
    if (earlier[i] > later[i]) return false;
  }
  return true;
}

bool acquires(std::memory_order order) {
  // Named here to be recognised, not used on memory: acquire, acq_rel, seq_cst and consume all acquire.
  return order != std::memory_order_relaxed && order != std::memory_order_release;
}

bool releases(std::memory_order order) {
  // Named here to be recognised, not used on memory: release, acq_rel and seq_cst release.
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;  // as above
}

struct buffered_store {
  model::location* at;
  model::vector_clock released;
  std::array<std::byte, model::value_bytes_max> value;
  size_t bytes;
  uint64_t shown;
};

struct watched_location {
  uint32_t location;
  int64_t version;
};

struct logical_thread {
  enum class status_t : uint8_t { ready, paused, ended };

  fiber* stack = nullptr;
  status_t status = status_t::ready;
  std::vector<buffered_store> buffer;  // oldest first
  model::vector_clock clock{};
  model::vector_clock seen{};             // what a fence after relaxed loads acquires
  model::vector_clock fenced{};           // what relaxed stores after a fence release
  std::vector<watched_location> watched;  // read since the last pause(), with the version that was read first
};

struct event {
  int8_t thread;
  model::operation what;
  uint32_t location;
  uint64_t value;
};

constexpr size_t outside = execution::max_threads;  // the index of setup and finally

}  // namespace

class explorer {
 public:
  explorer(const explore_options& options, const std::function<void(execution&)>& setup)
      : options_(options), setup_(setup), main_(fiber::main_tag{}) {}

  ~explorer() {
    for (const std::unique_ptr<fiber>& idle : fibers_) fiber::finish(main_, *idle);
  }

  explorer(const explorer&) = delete;
  explorer& operator=(const explorer&) = delete;

  explore_result run();

  // The doors, called by the running fiber --------------------------------------------------------------------------

  void schedule() {
    count_step();
    // A thread that was only just chosen and has done nothing yet is not asked again.
    if (current_ != outside && !std::exchange(just_chosen_, false)) point(false);
  }

  void pause() {
    count_step();
    if (current_ == outside) fail("pause() in setup or finally: nobody else runs");
    logical_thread& self = threads_[current_];
    record(model::operation::pause, 0, 0);
    self.status = logical_thread::status_t::paused;
    just_chosen_ = false;
    point(true);
    self.status = logical_thread::status_t::ready;
    self.watched.clear();
  }

  bool forward(const model::location& at, void* value, size_t bytes) {
    if (current_ == outside) return false;
    const std::vector<buffered_store>& buffer = threads_[current_].buffer;
    const auto newest = std::find_if(buffer.rbegin(), buffer.rend(), [&](const auto& s) { return s.at == &at; });
    if (newest == buffer.rend()) return false;
    count_step();
    watch(threads_[current_], at.id);
    std::memcpy(value, newest->value.data(), bytes);
    return true;
  }

  void push_store(model::location& at, const void* value, size_t bytes, std::memory_order order) {
    count_step();
    just_chosen_ = false;
    logical_thread& self = threads_[current_];
    buffered_store& waiting = self.buffer.emplace_back();
    waiting.at = &at;
    waiting.released = release_clock(self, order);
    waiting.bytes = bytes;
    std::memcpy(waiting.value.data(), value, bytes);
    std::memcpy(&waiting.shown, value, std::min(bytes, sizeof waiting.shown));
    record(model::operation::buffered_store, at.id, waiting.shown);
    // More would only widen the search; real buffers hold some tens.
    constexpr size_t buffer_capacity = 16;
    if (self.buffer.size() > buffer_capacity) drain(current_, 1);
  }

  void drain_own() {
    if (current_ != outside) drain(current_, threads_[current_].buffer.size());
  }

  void loaded(const model::location& at, std::memory_order order, model::operation kind, uint64_t shown) {
    logical_thread& self = threads_[current_];
    join(self.seen, at.released);
    if (acquires(order)) join(self.clock, at.released);
    watch(self, at.id);
    record(kind, at.id, shown);
  }

  void stored(model::location& at, std::memory_order order, bool read_too, bool changed, uint64_t shown) {
    logical_thread& self = threads_[current_];
    if (read_too) {
      watch(self, at.id);
      join(self.seen, at.released);
      if (acquires(order)) join(self.clock, at.released);
      // A read-modify-write continues the release sequence of what it replaced.
      join(at.released, release_clock(self, order));
    } else {
      at.released = release_clock(self, order);
    }
    if (changed) count_change(self, at.id);
    record(read_too ? model::operation::read_modify_write : model::operation::store, at.id, shown);
  }

  void fence() {
    if (current_ != outside && !threads_[current_].buffer.empty()) schedule();
    count_step();
    drain_own();
    fence_clock(current_);
    record(model::operation::fence, 0, 0);
  }

  void heavy_barrier() {
    schedule();
    for (size_t i = 0; i < thread_count_; ++i) drain(i, threads_[i].buffer.size());
    // Each running thread passes a full barrier, so each one's clock is fenced; ended ones have nothing to order.
    for (size_t i = 0; i < thread_count_; ++i) fence_clock(i);
    if (current_ == outside) fence_clock(outside);
    record(model::operation::heavy, 0, 0);
  }

  void read_plain(model::plain_location& at) {
    const model::vector_clock& now = threads_[current_].clock;
    if (!before(at.writes, now)) fail("data race: a plain read is not ordered after another thread's write");
    at.reads[current_] = now[current_];
  }

  void write_plain(model::plain_location& at) {
    const model::vector_clock& now = threads_[current_].clock;
    if (!before(at.writes, now)) fail("data race: a plain write is not ordered after another thread's write");
    if (!before(at.reads, now)) fail("data race: a plain write is not ordered after another thread's read");
    at.writes[current_] = now[current_];
  }

  uint32_t add_location() {
    versions_.push_back(0);
    return static_cast<uint32_t>(versions_.size() - 1);
  }

  void remove_location(const model::location& at) {
    for (size_t i = 0; i < thread_count_; ++i) {
      std::vector<buffered_store>& buffer = threads_[i].buffer;
      // The owner's stores die with the object: nobody could have read them.
      const size_t gone = std::erase_if(buffer, [&](const buffered_store& s) { return s.at == &at; });
      if (gone > 0 && i != current_) fail("an atomic was destroyed while another thread's store to it was under way");
    }
  }

  [[nodiscard]] int thread_index() const { return current_ == outside ? -1 : static_cast<int>(current_); }

  // Ends the execution. The fiber that calls it never runs again.
  [[noreturn]] void fail(std::string_view what) {
    failed_ = true;
    failure_ = what;
    failed_in_ = thread_index();
    fiber::switch_to(*running_, main_);
    std::abort();
  }

  [[nodiscard]] std::string schedule_text() const {
    std::string text;
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (choices_[i] == 0) continue;
      if (!text.empty()) text += ',';
      text += std::to_string(i) + ':' + std::to_string(choices_[i]);
    }
    return text.empty() ? std::string(default_schedule) : text;
  }

 private:
  // Time and order --------------------------------------------------------------------------------------------------

  // The clock that a store of this order hands to whoever acquires it.
  model::vector_clock release_clock(logical_thread& self, std::memory_order order) {
    if (!releases(order)) return self.fenced;
    const model::vector_clock released = self.clock;
    tick(self);
    return released;
  }

  void fence_clock(size_t index) {
    logical_thread& self = threads_[index];
    join(self.clock, self.seen);
    self.fenced = self.clock;
    tick(self);
  }

  void tick(logical_thread& self) { ++self.clock[static_cast<size_t>(&self - threads_.data())]; }

  // What this thread has read since its last pause: if it spins, a change of that is what it waits for.
  void watch(logical_thread& self, uint32_t location) {
    for (const watched_location& w : self.watched) {
      if (w.location == location) return;
    }
    self.watched.push_back({location, versions_[location]});
  }

  void count_change(logical_thread& self, uint32_t location) {
    const int64_t before = versions_[location]++;
    idle_rounds_ = 0;
    // No thread waits for a change of its own.
    for (watched_location& w : self.watched) {
      if (w.location == location && w.version == before) w.version = before + 1;
    }
  }

  [[nodiscard]] bool sees_a_change(const logical_thread& self) const {
    return std::any_of(self.watched.begin(), self.watched.end(),
                       [&](const watched_location& w) { return versions_[w.location] != w.version; });
  }

  void count_step() {
    if (++steps_ > options_.max_steps) fail("step limit: a livelock, or a loop that waits without pause()");
  }

  void record(model::operation what, uint32_t location, uint64_t value) {
    trace_.push_back({static_cast<int8_t>(thread_index()), what, location, value});
  }

  // Makes the oldest `count` of the thread's waiting stores visible.
  void drain(size_t index, size_t count) {
    logical_thread& owner = threads_[index];
    for (size_t i = 0; i < count; ++i) {
      const buffered_store& next = owner.buffer[i];
      next.at->commit(*next.at, next.value.data());
      next.at->released = next.released;
      count_change(owner, next.at->id);
      trace_.push_back({static_cast<int8_t>(index), model::operation::drain, next.at->id, next.shown});
    }
    owner.buffer.erase(owner.buffer.begin(), owner.buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }

  // Choosing --------------------------------------------------------------------------------------------------------

  [[nodiscard]] bool can_run(const logical_thread& t) const {
    if (t.status == logical_thread::status_t::paused) return sees_a_change(t);
    return t.status == logical_thread::status_t::ready;
  }

  [[nodiscard]] size_t waiting_stores(size_t index) const {
    return index == outside ? 0 : threads_[index].buffer.size();
  }

  // Fills choices_now_. `stops`: the running thread pauses or has ended, so leaving it costs nothing. Stores of threads
  // before `first_commit` are not offered: they were at this very point.
  void list_alternatives(bool stops, size_t first_commit) {
    using kind = alternative::kind_t;
    choices_now_.clear();
    const auto add = [&](kind what, size_t thread, size_t count, int cost) {
      choices_now_.push_back(
          {what, static_cast<uint8_t>(thread), static_cast<uint8_t>(count), static_cast<uint8_t>(cost)});
    };
    if (!stops) add(kind::go_on, current_, 0, 0);
    const size_t own = waiting_stores(current_);
    for (size_t i = 1; i <= thread_count_; ++i) {
      // Round robin from the running one, which itself comes last, and only where it may return from a pause.
      const size_t next = current_ == outside ? i - 1 : (current_ + i) % thread_count_;
      if (!can_run(threads_[next]) || (next == current_ && !stops)) continue;
      if (next == current_) {
        add(kind::switch_thread, next, 0, 0);
        continue;
      }
      for (size_t held = 0; held <= own; ++held) add(kind::switch_thread, next, own - held, stops && held == 0 ? 0 : 1);
    }
    const bool nobody = choices_now_.empty();
    for (size_t i = nobody ? 0 : first_commit; i < thread_count_; ++i) {
      if (i == current_ && !nobody) continue;
      for (size_t count = 1; count <= waiting_stores(i); ++count) add(kind::commit, i, count, stops ? 0 : 1);
    }
  }

  const alternative& choose() {
    if (choices_now_.size() == 1) return choices_now_[0];
    size_t chosen = strategy_->choose(choices_now_);
    if (chosen >= choices_now_.size()) {
      astray_ = true;
      chosen = 0;
    }
    choices_.push_back(chosen);
    return choices_now_[chosen];
  }

  // A place where another thread may run. Returns when the caller runs again.
  void point(bool stops) {
    for (size_t first_commit = 0;;) {
      list_alternatives(stops, first_commit);
      if (choices_now_.empty()) return nobody_can_run();
      const alternative next = choose();
      if (next.kind == alternative::kind_t::go_on) return;
      if (next.kind == alternative::kind_t::commit) {
        drain(next.thread, next.count);
        first_commit = next.thread + size_t{1};
        continue;
      }
      drain_on_leaving(next.count);
      run_thread(next.thread);
      // Whoever was preempted here goes on with the operation it was about to do.
      if (!stops) just_chosen_ = false;
      return;
    }
  }

  void drain_on_leaving(size_t count) {
    if (current_ != outside) drain(current_, count);
  }

  void run_thread(size_t index) {
    fiber& from = *running_;
    current_ = index;
    just_chosen_ = true;
    if (running_ == threads_[index].stack) return;
    running_ = threads_[index].stack;
    fiber::switch_to(from, *running_);
  }

  void return_to_main() {
    fiber& from = *running_;
    current_ = outside;
    running_ = &main_;
    fiber::switch_to(from, main_);
  }

  // All have ended, or all that have not are in pause(). Those may still be counting their tries before they do
  // something else, so each gets a number of idle rounds before this is called a deadlock.
  void nobody_can_run() {
    constexpr int64_t idle_rounds_max = 1000;
    for (size_t i = 1; i <= thread_count_; ++i) {
      const size_t next = current_ == outside ? i - 1 : (current_ + i) % thread_count_;
      if (threads_[next].status != logical_thread::status_t::paused) continue;
      if (++idle_rounds_ > idle_rounds_max) fail("deadlock: every thread has ended or waits in pause()");
      return run_thread(next);
    }
    return_to_main();
  }

  // Executions ------------------------------------------------------------------------------------------------------

  fiber& idle_fiber(size_t index) {
    while (fibers_.size() <= index) fibers_.push_back(std::make_unique<fiber>());
    return *fibers_[index];
  }

  // Runs `body` alone, on a fiber so that it too can be abandoned.
  void run_outside(const std::function<void()>& body) {
    if (failed_ || !body) return;
    fiber& stack = idle_fiber(outside);
    stack.prepare([this, &body] { guarded(body); }, [this] { return_to_main(); });
    current_ = outside;
    running_ = &stack;
    fiber::switch_to(main_, stack);
  }

  void guarded(const std::function<void()>& body) {
    std::string escaped;
    try {
      return body();
    } catch (const std::exception& e) {
      escaped = e.what();
    } catch (...) {
      escaped = "of an unknown type";
    }
    fail("an exception escaped: " + escaped);
  }

  void run_threads() {
    thread_count_ = execution_->threads_.size();
    if (failed_ || thread_count_ == 0) return;
    const model::vector_clock start = threads_[outside].clock;
    for (size_t i = 0; i < thread_count_; ++i) {
      logical_thread& t = threads_[i];
      join(t.clock, start);
      t.stack = &idle_fiber(i);
      t.stack->prepare([this, i] { guarded(execution_->threads_[i]); },
                       [this, i] {
                         threads_[i].status = logical_thread::status_t::ended;
                         point(true);
                       });
    }
    current_ = outside;
    running_ = &main_;
    point(true);
  }

  void join_threads() {
    for (size_t i = 0; i < thread_count_; ++i) join(threads_[outside].clock, threads_[i].clock);
  }

  void reset() {
    for (size_t i = 0; i < threads_.size(); ++i) {
      threads_[i] = {};
      threads_[i].clock[i] = 1;
    }
    thread_count_ = 0;
    versions_.assign(1, 0);  // locations are numbered from 1; 0 stands for those made outside of executions
    idle_rounds_ = 0;
    steps_ = 0;
    just_chosen_ = false;
    choices_.clear();
    trace_.clear();
    execution_ = std::make_unique<execution>();
  }

  // True when the execution passed.
  bool run_once(strategy& choices) {
    reset();
    strategy_ = &choices;
    ++result_.executions;
    run_outside([this] { setup_(*execution_); });
    if (!failed_ && execution_->threads_.size() > execution::max_threads) {
      failed_ = true;
      failure_ = "more than execution::max_threads threads";
    }
    run_threads();
    if (!failed_) join_threads();
    run_outside(execution_->finally_);
    if (failed_) abandon();
    end_execution();
    if (!failed_ && astray_) {
      failed_ = true;
      failure_ = "not repeatable: the test is not deterministic, or the schedule is another test's";
    }
    return !failed_;
  }

  void end_execution();

  // Keeps for ever what fibers that will never run again may point at; reachable, so that it is not called a leak.
  void abandon() {
    struct remains {
      std::vector<std::unique_ptr<fiber>> fibers;
      std::unique_ptr<execution> test;
    };
    static auto& graveyard = *new std::vector<remains>;
    graveyard.push_back({std::move(fibers_), std::move(execution_)});
    fibers_.clear();
  }

  bool exhaustive() {
    const int last = options_.preemptions < 0 ? 0 : options_.preemptions;
    for (int bound = 0; bound <= last; ++bound) {
      depth_first search(options_.preemptions < 0 ? std::numeric_limits<int>::max() / 2 : bound);
      do {
        if (result_.executions >= options_.max_executions) return true;
        const bool passed = run_once(search);
        longest_ = std::max(longest_, static_cast<int64_t>(choices_.size()));
        if (!passed) return false;
      } while (search.advance());
      if (!search.pruned()) break;
    }
    result_.complete = true;
    return true;
  }

  bool random() {
    base::fast_random source(options_.seed);
    for (int64_t i = 0; i < options_.random_executions; ++i) {
      bool passed = false;
      if (i % 2 == 0) {
        random_walk walk(source);
        passed = run_once(walk);
      } else {
        random_priorities priorities(source, longest_);
        passed = run_once(priorities);
      }
      longest_ = std::max(longest_, static_cast<int64_t>(choices_.size()));
      if (!passed) return false;
    }
    return true;
  }

  bool repeat(std::string_view schedule) {
    replay choices(schedule);
    if (choices.valid()) return run_once(choices);
    failure_ = "not a schedule; expected point:choice pairs such as 17:2,23:1";
    return false;
  }

  [[nodiscard]] std::string describe() const;

  const explore_options& options_;
  const std::function<void(execution&)>& setup_;
  explore_result result_;
  int64_t longest_ = 0;

  fiber main_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  fiber* running_ = &main_;
  size_t current_ = outside;
  strategy* strategy_ = nullptr;

  std::unique_ptr<execution> execution_;
  std::array<logical_thread, execution::max_threads + 1> threads_;
  size_t thread_count_ = 0;
  std::vector<int64_t> versions_;  // by location: how often its value has changed
  int64_t idle_rounds_ = 0;
  int64_t steps_ = 0;
  bool just_chosen_ = false;  // the running thread was chosen at a point and has done nothing since
  alternatives choices_now_;
  std::vector<size_t> choices_;
  std::vector<event> trace_;

  bool astray_ = false;  // a choice from an earlier execution did not fit
  bool failed_ = false;
  std::string failure_;
  int failed_in_ = -1;
};

namespace {

// The explorer whose fiber runs, null outside of executions.
thread_local explorer* active = nullptr;
constexpr const char* schedule_variable = "WEFT_EXPLORE_SCHEDULE";

// The code under test aborts: say how to come here again. Not async-signal-safe, but the process ends anyway.
void print_schedule_and_abort(int signal_number) {
  std::signal(signal_number, SIG_DFL);
  if (active != nullptr) {
    const std::string text =
        std::string("while exploring; repeat: ") + schedule_variable + "=" + active->schedule_text() + "\n";
    if (::write(STDERR_FILENO, text.data(), text.size()) < 0) std::_Exit(1);
  }
  std::raise(signal_number);
}

// Makes the explorer visible to the doors, and aborts informative, while it lives.
class activation {
 public:
  explicit activation(explorer& e) : handler_(std::signal(SIGABRT, print_schedule_and_abort)) { active = &e; }
  ~activation() {
    active = nullptr;
    std::signal(SIGABRT, handler_);
  }
  activation(const activation&) = delete;
  activation& operator=(const activation&) = delete;

 private:
  void (*const handler_)(int);
};

const char* name_of(model::operation what) {
  switch (what) {
    case model::operation::load: return "loads";
    case model::operation::store: return "stores";
    case model::operation::buffered_store: return "stores into its buffer";
    case model::operation::drain: return "has drained";
    case model::operation::read_modify_write: return "reads, writes";
    case model::operation::failed_compare: return "fails to exchange, loads";
    case model::operation::fence: return "fences";
    case model::operation::heavy: return "fences all threads";
    case model::operation::pause: return "pauses";
  }
  return "?";
}

std::string line_of(const event& e) {
  char line[128];
  const std::string who = e.thread < 0 ? "setup/finally" : "thread " + std::to_string(e.thread);
  if (e.location == 0) {
    std::snprintf(line, sizeof line, "  %s %s\n", who.c_str(), name_of(e.what));
  } else {
    std::snprintf(line, sizeof line, "  %s %s 0x%llx, atomic #%u\n", who.c_str(), name_of(e.what),
                  static_cast<unsigned long long>(e.value), e.location);
  }
  return line;
}

}  // namespace

void explorer::end_execution() {
  // What the test made is destroyed outside the model: no store is under way any more.
  explorer* const self = std::exchange(active, nullptr);
  execution_.reset();
  active = self;
}

std::string explorer::describe() const {
  constexpr size_t shown_events = 80;
  std::string text = failure_;
  text += failed_in_ < 0 ? " (in setup or finally)" : " (in thread " + std::to_string(failed_in_) + ")";
  text += "\nin execution " + std::to_string(result_.executions) + ", seed " + std::to_string(options_.seed);
  text += "\nrepeat: " + std::string(schedule_variable) + "=" + schedule_text() + "\n";
  const size_t first = trace_.size() > shown_events ? trace_.size() - shown_events : 0;
  text += first > 0 ? "the last operations:\n" : "all operations:\n";
  for (size_t i = first; i < trace_.size(); ++i) text += line_of(trace_[i]);
  return text;
}

explore_result explorer::run() {
  const activation visible(*this);
  const char* const from_environment = std::getenv(schedule_variable);
  const std::string_view given = from_environment != nullptr ? std::string_view(from_environment) : options_.schedule;
  result_.ok = given.empty() ? exhaustive() && random() : repeat(given);
  if (!result_.ok) {
    result_.message = describe();
    result_.schedule = schedule_text();
  }
  return result_;
}

explore_result explore(const explore_options& options, const std::function<void(execution&)>& setup) {
  if (active != nullptr) {
    explore_result nested;
    nested.ok = false;
    nested.message = "explore() inside an execution";
    return nested;
  }
  return explorer(options, setup).run();
}

void require(bool condition, std::string_view message) {
  if (condition) return;
  if (active != nullptr) active->fail(message);
  std::fprintf(stderr, "require() outside of an exploration: %.*s\n", static_cast<int>(message.size()), message.data());
  std::abort();
}

int this_thread_index() noexcept { return active != nullptr ? active->thread_index() : -1; }

namespace model {

location::location() noexcept : id(active != nullptr ? active->add_location() : 0) {}
location::~location() {
  if (active != nullptr) active->remove_location(*this);
}

void schedule() noexcept {
  if (active != nullptr) active->schedule();
}
bool forward(const location& at, void* value, size_t bytes) noexcept {
  return active != nullptr && active->forward(at, value, bytes);
}
void push_store(location& at, const void* value, size_t bytes, std::memory_order order) noexcept {
  active->push_store(at, value, bytes, order);
}
bool buffering() noexcept { return active != nullptr && active->thread_index() >= 0; }
void drain_own() noexcept {
  if (active != nullptr) active->drain_own();
}
void loaded(const location& at, std::memory_order order, operation kind, uint64_t shown) noexcept {
  if (active != nullptr) active->loaded(at, order, kind, shown);
}
void stored(location& at, std::memory_order order, bool read_too, bool changed, uint64_t shown) noexcept {
  if (active != nullptr) active->stored(at, order, read_too, changed, shown);
}
void fence() noexcept {
  if (active != nullptr) active->fence();
}
void heavy_barrier() noexcept {
  if (active != nullptr) active->heavy_barrier();
}
void pause() noexcept {
  if (active != nullptr) active->pause();
}
void read_plain(plain_location& at) noexcept {
  if (active != nullptr) active->read_plain(at);
}
void write_plain(plain_location& at) noexcept {
  if (active != nullptr) active->write_plain(at);
}

}  // namespace model

}  // namespace weft::test
