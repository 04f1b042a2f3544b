// Reads that hold no buffer while they wait.
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/io_test.h"

namespace weft {
namespace {

using test::bytes_of;
using namespace std::chrono_literals;

class IoBufferTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, IoBufferTest, test::back_ends_and_processors(), test::io_test_name);

TEST_P(IoBufferTest, AReadGivesWhatHasComeAndThenTheEnd) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    EXPECT_TRUE((co_await a.write_all("some words")).ok());
    absl::StatusOr<io_buffer> got = co_await b.read_some();
    EXPECT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->text(), "some words");
    EXPECT_EQ(got->size(), 10u);
    EXPECT_TRUE(a.shutdown_write().ok());
    got = co_await b.read_some();
    EXPECT_TRUE(got.ok()) << got.status();
    EXPECT_TRUE(got->empty());
  });
}

task<> send_numbers(unix_stream& to, std::size_t bytes) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i % 251);
  EXPECT_TRUE((co_await to.write_all(data)).ok());
  EXPECT_TRUE(to.shutdown_write().ok());
}

TEST_P(IoBufferTest, ALongStreamComesInOrderInPiecesOfABufferAtMost) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    join_handle<void> sender = spawn(send_numbers, std::ref(a), std::size_t{1} << 20);
    std::size_t all = 0;
    for (;;) {
      absl::StatusOr<io_buffer> got = co_await b.read_some();
      EXPECT_TRUE(got.ok()) << got.status();
      if (!got.ok() || got->empty()) break;
      EXPECT_LE(got->size(), io_buffer::capacity);
      for (const std::byte one : got->bytes()) EXPECT_EQ(one, static_cast<std::byte>(all++ % 251));
    }
    co_await sender;
    EXPECT_EQ(all, std::size_t{1} << 20);
  });
}

task<std::string> read_one(unix_stream& from) {
  absl::StatusOr<io_buffer> got = co_await from.read_some();
  co_return got.ok() ? std::string(got->text()) : std::string(got.status().message());
}

// The port has fewer buffers than reads that wait; the rest get theirs when something has come.
TEST_P(IoBufferTest, MoreReadsMayWaitThanThereAreBuffers) {
  constexpr int pairs = 300;
  run([]() -> task<> {
    std::vector<std::pair<unix_stream, unix_stream>> streams;
    for (int i = 0; i < pairs; ++i) {
      auto both = unix_stream::pair();
      EXPECT_TRUE(both.ok()) << both.status();
      if (!both.ok()) co_return;
      streams.push_back(*std::move(both));
    }
    std::vector<join_handle<std::string>> readers;
    for (auto& [a, b] : streams) readers.push_back(spawn(read_one, std::ref(b)));
    for (int i = 0; i < 10; ++i) co_await yield();
    std::vector<join_handle<absl::Status>> writers;
    for (int i = 0; i < pairs; ++i)
      writers.push_back(spawn(
          [](unix_stream& to, int number) -> task<absl::Status> {
            const std::string text = "number " + std::to_string(number);
            absl::Status written = co_await to.write_all(text);
            co_return written;
          },
          std::ref(streams[static_cast<std::size_t>(i)].first), i));
    for (join_handle<absl::Status>& w : writers) {
      const absl::Status written = co_await w;
      EXPECT_TRUE(written.ok()) << written;
    }
    for (int i = 0; i < pairs; ++i) {
      const std::string got = co_await readers[static_cast<std::size_t>(i)];
      EXPECT_EQ(got, "number " + std::to_string(i));
    }
  });
}

TEST_P(IoBufferTest, AStopAndACloseEndAReadThatWaits) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    const auto code = [](unix_stream& from) -> task<absl::StatusCode> {
      absl::StatusOr<io_buffer> got = co_await from.read_some();
      co_return got.status().code();
    };
    join_handle<absl::StatusCode> stopped = spawn(code, std::ref(a));
    co_await yield();
    stopped.request_stop();
    EXPECT_EQ(co_await stopped, absl::StatusCode::kCancelled);
    join_handle<absl::StatusCode> closed = spawn(code, std::ref(b));
    for (int i = 0; i < 3; ++i) co_await yield();
    b.close();
    EXPECT_EQ(co_await closed, absl::StatusCode::kFailedPrecondition);
  });
}

TEST_P(IoBufferTest, AsAnArmOfASelectItTakesNothingUnlessItWins) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    channel<int> other(1);
    EXPECT_TRUE(other.try_send(1));
    auto first = co_await select(b.read_some(), other.receive());
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE((co_await a.write_all("later")).ok());
    auto second = co_await select(b.read_some(), other.receive());
    EXPECT_EQ(second.index(), 0u);
    EXPECT_EQ(second.get<0>()->text(), "later");
    join_handle<void> writer = spawn(
        [](unix_stream& to) -> task<> {
          for (int i = 0; i < 5; ++i) co_await yield();
          EXPECT_TRUE((co_await to.write_all("after a wait")).ok());
        },
        std::ref(a));
    auto third = co_await select(b.read_some(), other.receive());
    EXPECT_EQ(third.index(), 0u);
    EXPECT_EQ(third.get<0>()->text(), "after a wait");
    co_await writer;
  });
}

TEST_P(IoBufferTest, ABufferMayBeKeptMovedAndFreedElsewhere) {
  std::optional<io_buffer> kept;
  run([&]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    EXPECT_TRUE((co_await a.write_all("kept")).ok());
    absl::StatusOr<io_buffer> got = co_await b.read_some();
    kept = *std::move(got);
    EXPECT_TRUE((co_await a.write_all("dropped")).ok());
    got = co_await b.read_some();
    channel<io_buffer> away(1);
    EXPECT_TRUE(co_await away.send(*std::move(got)));
    EXPECT_EQ((co_await away.receive())->text(), "dropped");
  });
  io_buffer moved = *std::move(kept);
  EXPECT_EQ(moved.text(), "kept");
  EXPECT_TRUE(kept->empty());
}

TEST(IoBufferLifetimeTest, ABufferMayOutliveItsRuntime) {
  std::optional<io_buffer> kept;
  test::make_runtime(1)->run([&]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    EXPECT_TRUE((co_await a.write_all("outlives")).ok());
    absl::StatusOr<io_buffer> got = co_await b.read_some();
    kept = *std::move(got);
  });
  EXPECT_EQ(kept->text(), "outlives");
}

}  // namespace
}  // namespace weft
