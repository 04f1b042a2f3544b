// A second stack for the calling OS thread: what the explorer's logical threads run on.
//
// Invariants:
//   Exactly one fiber of an OS thread runs; switch_to() is called by that one and returns when somebody switches back.
//   A fiber is used for many bodies in turn, because making one is the expensive part. Before it is destroyed, its
//   last body has ended (finish() is then called for it), or it is abandoned, never destroyed.
//
// Thread safety: one OS thread.
//
// The sanitizers are told of every switch: AddressSanitizer where the stack is, ThreadSanitizer which fiber runs.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <weft/detail/config.h>

#if WEFT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if WEFT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace weft::test {

class fiber {
 public:
  /// The fiber that stands for the OS thread's own stack.
  struct main_tag {};
  explicit fiber(main_tag) noexcept {
#if WEFT_TSAN
    tsan_fiber_ = __tsan_get_current_fiber();
#endif
  }

  fiber() : stack_(new char[stack_bytes]), bottom_(stack_.get()), bytes_(stack_bytes) {
    ::getcontext(&context_);
    context_.uc_stack.ss_sp = stack_.get();
    context_.uc_stack.ss_size = stack_bytes;
    context_.uc_link = nullptr;
    ::makecontext(&context_, &fiber::enter, 0);
#if WEFT_TSAN
    tsan_fiber_ = __tsan_create_fiber(0);
#endif
  }

  ~fiber() {
#if WEFT_TSAN
    if (stack_ != nullptr) __tsan_destroy_fiber(tsan_fiber_);
#endif
  }

  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  /// Gives this fiber, which is new or whose last body has ended, what it runs when it is next switched to.
  ///
  /// When `body` has returned, `on_end` runs, which switches to another fiber; that switch returns when there is a next
  /// body.
  void prepare(std::function<void()> body, std::function<void()> on_end) {
    body_ = std::move(body);
    on_end_ = std::move(on_end);
  }

  /// Leaves `from`, which runs, for `to`.
  static void switch_to(fiber& from, fiber& to) { leave(from, to, false); }

  /// Ends `idle`, whose body has ended, so that it can be destroyed. `from` runs.
  static void finish(fiber& from, fiber& idle) {
    if (!idle.entered_) return;
    idle.body_ = nullptr;
    idle.back_ = &from;
    switch_to(from, idle);
  }

 private:
  static constexpr size_t stack_bytes = 256 * 1024;

  static void leave(fiber& from, fiber& to, [[maybe_unused]] bool for_good) {
    entering = &to;
    leaving = &from;
#if WEFT_ASAN
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack, to.bottom_, to.bytes_);
#endif
#if WEFT_TSAN
    __tsan_switch_to_fiber(to.tsan_fiber_, 0);
#endif
    ::swapcontext(&from.context_, &to.context_);
#if WEFT_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }

  static void enter() {
    fiber& self = *entering;
#if WEFT_ASAN
    // The first switch ever comes from the OS thread's own stack, which only the sanitizer knows.
    fiber& previous = *leaving;
    const void* bottom = nullptr;
    size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (previous.bottom_ == nullptr) {
      previous.bottom_ = bottom;
      previous.bytes_ = bytes;
    }
#endif
    self.entered_ = true;
    while (self.body_) {
      self.body_();
      // Moved out, because prepare() for the next body comes while this one's end is still on the stack.
      const std::function<void()> on_end = std::move(self.on_end_);
      on_end();
    }
    leave(self, *self.back_, true);
  }

  static inline thread_local fiber* entering = nullptr;
  static inline thread_local fiber* leaving = nullptr;

  ucontext_t context_{};
  std::unique_ptr<char[]> stack_;  // null for the OS thread's own
  [[maybe_unused]] const void* bottom_ = nullptr;
  [[maybe_unused]] size_t bytes_ = 0;
  bool entered_ = false;
  fiber* back_ = nullptr;
  std::function<void()> body_;
  std::function<void()> on_end_;
#if WEFT_TSAN
  void* tsan_fiber_ = nullptr;
#endif
};

}  // namespace weft::test
