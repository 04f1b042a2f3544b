// Joining, and the checks that make it happen exactly once.
#include "os/thread.h"

#include <utility>

#include <weft/detail/check.h>

namespace weft::os {

thread::thread(thread&& other) noexcept : handle_(other.handle_), joinable_(std::exchange(other.joinable_, false)) {}

thread& thread::operator=(thread&& other) noexcept {
  WEFT_CHECK(!joinable_, "an OS thread's handle was overwritten before join()");
  handle_ = other.handle_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

thread::~thread() { WEFT_CHECK(!joinable_, "an OS thread's handle was destroyed before join()"); }

void thread::join() noexcept {
  WEFT_CHECK(joinable_, "join() of an OS thread that was not started or is joined already");
  joinable_ = false;
  const int error = ::pthread_join(handle_, nullptr);
  WEFT_CHECK(error == 0, "join() of an OS thread by itself");
}

}  // namespace weft::os
