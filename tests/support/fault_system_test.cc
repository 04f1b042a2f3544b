// Injected failures come exactly when asked for, and the book-keeping sees everything.
#include "support/fault_system.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::test {
namespace {

constexpr size_t page_bytes = 1 << 16;  // a multiple of every page size in use

TEST(FaultSystemTest, FailsTheNthMapOnce) {
  fault_system sys;
  sys.fail_nth(call::map, 2);
  std::vector<void*> mapped;
  std::vector<bool> outcomes;
  for (int i = 0; i < 4; ++i) {
    const absl::StatusOr<void*> address = sys.map(page_bytes, page_bytes);
    outcomes.push_back(address.ok());
    if (address.ok()) mapped.push_back(*address);
  }
  EXPECT_EQ(outcomes, (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(sys.count(call::map), 4);
  EXPECT_EQ(sys.failed(call::map), 1);
  EXPECT_EQ(sys.mapped_bytes(), 3 * static_cast<int64_t>(page_bytes));
  for (void* address : mapped) sys.unmap(address, page_bytes);
  EXPECT_EQ(sys.mapped_bytes(), 0);
  EXPECT_EQ(sys.count(call::unmap), 3);
}

TEST(FaultSystemTest, FailsFromTheNthOnUntilToldToSucceed) {
  fault_system sys;
  sys.fail_from(call::create_event_fd, 2);
  const absl::StatusOr<int> first = sys.create_event_fd();
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(sys.create_event_fd().ok());
  EXPECT_FALSE(sys.create_event_fd().ok());
  sys.succeed(call::create_event_fd);
  const absl::StatusOr<int> last = sys.create_event_fd();
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(sys.open_fds(), 2);
  sys.close_fd(*first);
  sys.close_fd(*last);
  EXPECT_EQ(sys.open_fds(), 0);
}

TEST(FaultSystemTest, AFailedStartLeavesTheHandleEmpty) {
  fault_system sys;
  sys.fail_nth(call::start_thread, 1);
  os::thread handle;
  const absl::Status refused = sys.start_thread(handle, [](void*) {}, nullptr, "none");
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(handle.joinable());
  ASSERT_TRUE(sys.start_thread(handle, [](void*) {}, nullptr, "some").ok());
  handle.join();
}

TEST(FaultSystemTest, RefusesMembarrier) {
  fault_system sys;
  sys.fail_from(call::register_membarrier);
  EXPECT_FALSE(sys.register_membarrier());
}

}  // namespace
}  // namespace weft::test
