// The real system calls keep the promises of system.h.
#include "os/system.h"

#include <gtest/gtest.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "os/thread.h"

namespace weft::os {
namespace {

constexpr size_t block_bytes = 1 << 18;
constexpr size_t huge_alignment = 1 << 21;

TEST(SystemTest, MapsZeroedAlignedWritableMemory) {
  for (const size_t alignment : {size_t{4096}, size_t{1} << 16, huge_alignment}) {
    const absl::StatusOr<void*> address = system::real().map(block_bytes, alignment);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(*address) % alignment, 0u);
    auto* const bytes = static_cast<unsigned char*>(*address);
    EXPECT_TRUE(std::all_of(bytes, bytes + block_bytes, [](unsigned char b) { return b == 0; }));
    std::memset(bytes, 0xab, block_bytes);
    system::real().unmap(*address, block_bytes);
  }
}

TEST(SystemTest, RefusesAMappingThatCannotBe) {
  constexpr size_t too_much = std::numeric_limits<size_t>::max() / 2 & ~(huge_alignment - 1);
  for (const size_t bytes : {size_t{0}, too_much, std::numeric_limits<size_t>::max() & ~size_t{4095}}) {
    const absl::StatusOr<void*> address = system::real().map(bytes, huge_alignment);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kResourceExhausted) << bytes;
  }
}

TEST(SystemTest, MapsMoreThanTheMachineHas) {
  constexpr size_t bytes = size_t{1} << 40;
  const absl::StatusOr<void*> address = system::real().map(bytes, huge_alignment);
  ASSERT_TRUE(address.ok()) << address.status();
  static_cast<char*>(*address)[bytes - 1] = 1;
  system::real().unmap(*address, bytes);
}

TEST(SystemTest, ReleaseDropsContentsAndKeepsTheAddress) {
  const absl::StatusOr<void*> address = system::real().map(block_bytes, 4096);
  ASSERT_TRUE(address.ok());
  auto* const bytes = static_cast<unsigned char*>(*address);
  std::memset(bytes, 0xab, block_bytes);
  system::real().release(bytes, block_bytes / 2);
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[block_bytes / 2 - 1], 0);
  EXPECT_EQ(bytes[block_bytes / 2], 0xab);
  bytes[0] = 1;
  system::real().unmap(bytes, block_bytes);
}

TEST(SystemTest, AStartedThreadRunsNamedWithTheHostsSignalsBlocked) {
  struct report {
    std::array<char, 16> name{};
    bool term_blocked = false;
    bool fault_blocked = true;
    bool profile_blocked = true;
  };
  report seen;
  thread handle;
  EXPECT_FALSE(handle.joinable());
  const auto entry = [](void* argument) {
    auto& r = *static_cast<report*>(argument);
    ::pthread_getname_np(::pthread_self(), r.name.data(), r.name.size());
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    r.term_blocked = ::sigismember(&blocked, SIGTERM) == 1;
    r.fault_blocked = ::sigismember(&blocked, SIGSEGV) == 1;
    r.profile_blocked = ::sigismember(&blocked, SIGPROF) == 1;
  };
  ASSERT_TRUE(system::real().start_thread(handle, entry, &seen, "a-name-that-is-too-long").ok());
  EXPECT_TRUE(handle.joinable());
  handle.join();
  EXPECT_FALSE(handle.joinable());
  EXPECT_STREQ(seen.name.data(), "a-name-that-is-");
  EXPECT_TRUE(seen.term_blocked);
  EXPECT_FALSE(seen.fault_blocked);
  EXPECT_FALSE(seen.profile_blocked);

  sigset_t ours;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &ours);
  EXPECT_EQ(::sigismember(&ours, SIGTERM), 0) << "the starter's own mask must be as before";
}

TEST(SystemTest, FutexWaitReturnsAtOnceWhenTheWordDiffers) {
  std::atomic<uint32_t> word{1};
  system::real().futex_wait(word, 0, -1);
}

TEST(SystemTest, FutexWaitEndsByItsTimeout) {
  std::atomic<uint32_t> word{0};
  system::real().futex_wait(word, 0, 0);
  system::real().futex_wait(word, 0, 1);
}

TEST(SystemTest, FutexWakeEndsAWait) {
  std::atomic<uint32_t> word{0};
  thread waiter;
  const auto wait = [](void* argument) {
    auto& w = *static_cast<std::atomic<uint32_t>*>(argument);
    while (w.load() == 0) system::real().futex_wait(w, 0, -1);
  };
  ASSERT_TRUE(system::real().start_thread(waiter, wait, &word, "waiter").ok());
  word.store(1);
  system::real().futex_wake(word, 1);
  waiter.join();
}

TEST(SystemTest, AStrayWakeIsHarmless) {
  const absl::StatusOr<void*> address = system::real().map(block_bytes, 4096);
  ASSERT_TRUE(address.ok());
  system::real().unmap(*address, block_bytes);
  system::real().futex_wake(*static_cast<std::atomic<uint32_t>*>(*address), 1);
}

TEST(SystemTest, MembarrierRunsWhereItIsGranted) {
  if (!system::real().register_membarrier()) GTEST_SKIP() << "the kernel or a sandbox refuses membarrier(2)";
  EXPECT_TRUE(system::real().register_membarrier()) << "registering twice must be allowed";
  system::real().membarrier();
}

bool readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) == 1;
}

TEST(SystemTest, AnEventFdIsReadableFromSignalToDrain) {
  const absl::StatusOr<int> fd = system::real().create_event_fd();
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_FALSE(readable(*fd));
  system::real().drain_event_fd(*fd);
  system::real().signal_event_fd(*fd);
  system::real().signal_event_fd(*fd);
  EXPECT_TRUE(readable(*fd));
  system::real().drain_event_fd(*fd);
  EXPECT_FALSE(readable(*fd));
  system::real().close_fd(*fd);
}

TEST(SystemTest, AFullEventFdStillTakesSignals) {
  const absl::StatusOr<int> fd = system::real().create_event_fd();
  ASSERT_TRUE(fd.ok());
  constexpr uint64_t most = std::numeric_limits<uint64_t>::max() - 1;
  ASSERT_EQ(::write(*fd, &most, sizeof most), static_cast<ssize_t>(sizeof most));
  system::real().signal_event_fd(*fd);
  EXPECT_TRUE(readable(*fd));
  system::real().close_fd(*fd);
}

TEST(SystemTest, CountsThreads) {
  std::atomic<bool> stop{false};
  thread first, extra;
  const auto spin = [](void* argument) {
    while (!static_cast<std::atomic<bool>*>(argument)->load()) {
    }
  };
  // ThreadSanitizer starts one of its own beside the first.
  ASSERT_TRUE(system::real().start_thread(first, spin, &stop, "first").ok());
  const int before = system::real().process_thread_count();
  ASSERT_GE(before, 2);
  ASSERT_TRUE(system::real().start_thread(extra, spin, &stop, "extra").ok());
  EXPECT_EQ(system::real().process_thread_count(), before + 1);
  stop.store(true);
  first.join();
  extra.join();
}

TEST(SystemTest, ThreadCpuTimeGrowsWithWork) {
  const int64_t before = system::real().thread_cpu_time_ns();
  int64_t after = before;
  while (after == before) after = system::real().thread_cpu_time_ns();
  EXPECT_GT(after, before);
}

TEST(SystemTest, WritesToStandardError) {
  ::testing::internal::CaptureStderr();
  system::real().write_stderr("as it is\n");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "as it is\n");
}

TEST(SystemDeathTest, ChecksItsCallersBookkeeping) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(system::real().unmap(reinterpret_cast<void*>(1), 4096), "munmap");
  EXPECT_DEATH(system::real().close_fd(-1), "not open");
  EXPECT_DEATH(system::real().signal_event_fd(-1), "not an open eventfd");
}

}  // namespace
}  // namespace weft::os
