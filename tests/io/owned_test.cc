// Reads and writes of streams that own their buffers: a stopped task leaves at once, and no byte is lost.
//
// The tests hold back what the kernel has completed, so a task that goes on meanwhile has not waited for the kernel.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "os/system.h"
#include "support/holding_port.h"
#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::text_of;

using read_result = absl::StatusOr<std::vector<std::byte>>;
using write_result = absl::StatusOr<std::size_t>;

std::vector<std::byte> room(std::size_t bytes) { return std::vector<std::byte>(bytes); }
std::vector<std::byte> copy_of(std::string_view text) {
  const std::span<const std::byte> bytes = bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

class holding_system final : public os::system {
 public:
  absl::StatusOr<std::unique_ptr<os::io_port>> open_uring(os::uring_mode mode, uint32_t entries) noexcept override {
    return holding(system::open_uring(mode, entries));
  }
  absl::StatusOr<std::unique_ptr<os::io_port>> open_epoll() noexcept override { return holding(system::open_epoll()); }

  std::atomic<bool> hold{false};

 private:
  absl::StatusOr<std::unique_ptr<os::io_port>> holding(absl::StatusOr<std::unique_ptr<os::io_port>> made) noexcept {
    if (!made.ok()) return made;
    return std::make_unique<test::holding_port>(*std::move(made), hold);
  }
};

template <class Reader, class Writer>
struct ends {
  Reader reader;
  Writer writer;
};

ends<unix_stream, unix_stream> connected(const unix_stream*) {
  auto both = unix_stream::pair();
  return {std::move(both->first), std::move(both->second)};
}

ends<pipe_reader, pipe_writer> connected(const pipe_reader*) {
  auto both = make_pipe();
  return {std::move(both->reader), std::move(both->writer)};
}

template <class Reader>
task<read_result> read_owned(Reader& from, std::size_t bytes) {
  co_return co_await from.read_owned(room(bytes));
}

template <class Writer>
task<write_result> write_owned(Writer& to, std::string text) {
  co_return co_await to.write_owned(copy_of(text));
}

template <class Writer>
task<write_result> write_owned_of_its_own(Writer to, std::string text) {
  co_return co_await to.write_owned(copy_of(text));
}

template <class Reader>
task<read_result> read_owned_of_its_own(Reader from, std::size_t bytes) {
  co_return co_await from.read_owned(room(bytes));
}

// What comes until the end.
template <class Reader>
task<std::string> read_all(Reader& from) {
  std::string all;
  std::vector<std::byte> buffer = room(1000);
  for (;;) {
    buffer.resize(1000);
    read_result got = co_await from.read_owned(std::move(buffer));
    if (!got.ok() || got->empty()) co_return all;
    all += text_of(*got);
    buffer = *std::move(got);
  }
}

// The awaits stand alone in these templates: in a macro's argument g++-12 cannot tell their types.
template <class Ends>
task<> check_buffers(Ends& both) {
  write_result written = co_await both.writer.write_owned(copy_of("hello"));
  EXPECT_EQ(written.value_or(0), 5u);
  written = co_await both.writer.write_owned({});
  EXPECT_EQ(written.value_or(1), 0u);
  read_result got = co_await both.reader.read_owned(room(3));
  EXPECT_EQ(text_of(*got), "hel");
  got->resize(100);
  const std::byte* const memory = got->data();
  got = co_await both.reader.read_owned(*std::move(got));
  EXPECT_EQ(text_of(*got), "lo");
  EXPECT_EQ(got->data(), memory);
  both.writer.close();
  got = co_await both.reader.read_owned(room(3));
  EXPECT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->empty());
  both.reader.close();
  got = co_await both.reader.read_owned(room(3));
  EXPECT_EQ(got.status().code(), absl::StatusCode::kFailedPrecondition);
}

template <class Reader, class Writer>
task<> check_long_write(ends<Reader, Writer>& both, const std::string& text) {
  join_handle<write_result> writing = spawn(write_owned_of_its_own<Writer>, std::move(both.writer), text);
  const std::string got = co_await read_all(both.reader);
  EXPECT_TRUE(got == text);
  const write_result written = co_await writing;
  EXPECT_EQ(written.value_or(0), text.size());
}

template <class Reader, class Writer>
task<> check_time_limit(ends<Reader, Writer>& both) {
  const std::optional<read_result> got =
      co_await with_timeout(1ms, read_owned<Reader>, std::ref(both.reader), std::size_t{100});
  EXPECT_FALSE(got.has_value());
  const write_result written = co_await both.writer.write_owned(copy_of("z"));
  EXPECT_EQ(written.value_or(0), 1u);
  const read_result next = co_await both.reader.read_owned(room(100));
  EXPECT_EQ(text_of(*next), "z");
}

// Each runs on a connection of local sockets and on a pipe, on a runtime that the test drives.
class OwnedTest : public ::testing::TestWithParam<io_backend> {
 protected:
  OwnedTest() {
    options opts;
    opts.io = GetParam();
    os::seams seams = os::seams::real();
    seams.sys = &sys;
    rt = *runtime_access::create(opts, seams, detail::drive::host);
  }

  template <class F>
  void on_each(F f) {
    f(connected(static_cast<unix_stream*>(nullptr)));
    f(connected(static_cast<pipe_reader*>(nullptr)));
  }

  holding_system sys;
  std::unique_ptr<runtime> rt;
};
INSTANTIATE_TEST_SUITE_P(On, OwnedTest, ::testing::Values(io_backend::uring, io_backend::epoll),
                         [](const auto& made) { return made.param == io_backend::uring ? "Uring" : "Epoll"; });

TEST_P(OwnedTest, TheBufferComesBackWithWhatWasRead) {
  on_each([&](auto both) { rt->run(check_buffers<decltype(both)>, std::ref(both)); });
}

TEST_P(OwnedTest, AWriteThatHasNoPlaceGoesOnUntilAllIsWritten) {
  std::string text(1'000'000, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  on_each([&](auto both) {
    rt->run(check_long_write<decltype(both.reader), decltype(both.writer)>, std::ref(both), std::cref(text));
  });
}

TEST_P(OwnedTest, AStoppedReaderLeavesAtOnceAndTakesNothing) {
  on_each([&](auto both) {
    using reader = decltype(both.reader);
    join_handle<read_result> reading = rt->spawn(read_owned<reader>, std::ref(both.reader), std::size_t{100});
    test::settle(*rt);
    EXPECT_FALSE(reading.done());
    sys.hold = true;
    // It comes before the stop, and the task does not know it.
    EXPECT_EQ(::write(both.writer.fd(), "abc", 3), 3);
    test::settle(*rt);
    EXPECT_FALSE(reading.done());
    reading.request_stop();
    test::settle(*rt);
    EXPECT_TRUE(reading.done());
    EXPECT_EQ(reading.get().status().code(), absl::StatusCode::kCancelled);
    sys.hold = false;
    read_result next = rt->run(read_owned<reader>, std::ref(both.reader), std::size_t{100});
    EXPECT_EQ(text_of(*next), "abc");
  });
}

// Nor does it wait for the processor that it began to read on, whose I/O nobody looks after meanwhile.
TEST_P(OwnedTest, AStoppedReaderLeavesWhileItsProcessorComputes) {
  options opts;
  opts.io = GetParam();
  opts.processors = 2;
  const std::unique_ptr<runtime> two = *runtime_access::create(opts, os::seams::real(), detail::drive::test);
  detail::scheduler& sched = runtime_access::sched(*two);
  on_each([&](auto both) {
    join_handle<read_result> reading = two->spawn(read_owned<decltype(both.reader)>, std::ref(both.reader), 100u);
    sched.drive_some(0, 4096);
    EXPECT_EQ(two->tasks().size(), 1u);
    reading.request_stop();
    sched.drive_some(1, 4096);
    EXPECT_TRUE(reading.done());
    EXPECT_EQ(reading.get().status().code(), absl::StatusCode::kCancelled);
    sched.drive_some(0, 4096);
  });
}

TEST_P(OwnedTest, AStoppedTaskTakesItsDescriptorAlong) {
  ignore_sigpipe();
  on_each([&](auto both) {
    using reader = decltype(both.reader);
    join_handle<read_result> reading =
        rt->spawn(read_owned_of_its_own<reader>, std::move(both.reader), std::size_t{100});
    test::settle(*rt);
    sys.hold = true;
    reading.request_stop();
    test::settle(*rt);
    EXPECT_TRUE(reading.done());
    EXPECT_TRUE(rt->tasks().empty());
    // Nobody reads any more.
    EXPECT_EQ(::write(both.writer.fd(), "x", 1), -1);
    sys.hold = false;
    test::settle(*rt);
  });
}

TEST_P(OwnedTest, AStoppedWriterSaysHowMuchWasWritten) {
  on_each([&](auto both) {
    using writer = decltype(both.writer);
    const std::string text(1'000'000, 'x');
    join_handle<write_result> writing = rt->spawn(write_owned<writer>, std::ref(both.writer), text);
    test::settle(*rt);
    EXPECT_FALSE(writing.done());
    sys.hold = true;
    writing.request_stop();
    test::settle(*rt);
    EXPECT_TRUE(writing.done());
    // The next one finds no place at all.
    join_handle<write_result> after = rt->spawn(write_owned<writer>, std::ref(both.writer), std::string("y"));
    test::settle(*rt);
    after.request_stop();
    test::settle(*rt);
    EXPECT_TRUE(after.done());
    EXPECT_EQ(after.get().status().code(), absl::StatusCode::kCancelled);
    sys.hold = false;
    const write_result written = writing.get();
    EXPECT_TRUE(written.ok()) << written.status();
    EXPECT_GT(*written, 0u);
    EXPECT_LT(*written, text.size());
    both.writer.close();
    const std::string got = rt->run(read_all<decltype(both.reader)>, std::ref(both.reader));
    EXPECT_EQ(got.size(), *written);
    EXPECT_EQ(got.find_first_not_of('x'), std::string::npos);
  });
}

TEST_P(OwnedTest, CloseEndsThem) {
  on_each([&](auto both) {
    join_handle<read_result> reading =
        rt->spawn(read_owned<decltype(both.reader)>, std::ref(both.reader), std::size_t{100});
    join_handle<write_result> writing =
        rt->spawn(write_owned<decltype(both.writer)>, std::ref(both.writer), std::string(1'000'000, 'x'));
    test::settle(*rt);
    // The first read takes the first part.
    EXPECT_TRUE(reading.get().ok());
    both.writer.close();
    test::settle(*rt);
    EXPECT_EQ(writing.get().status().code(), absl::StatusCode::kFailedPrecondition);
    static_cast<void>(rt->run(read_all<decltype(both.reader)>, std::ref(both.reader)));
  });
  on_each([&](auto both) {
    join_handle<read_result> reading =
        rt->spawn(read_owned<decltype(both.reader)>, std::ref(both.reader), std::size_t{100});
    test::settle(*rt);
    both.reader.close();
    test::settle(*rt);
    EXPECT_EQ(reading.get().status().code(), absl::StatusCode::kFailedPrecondition);
  });
}

TEST_P(OwnedTest, ATimeLimitEndsThem) {
  on_each([&](auto both) { rt->run(check_time_limit<decltype(both.reader), decltype(both.writer)>, std::ref(both)); });
}

TEST_P(OwnedTest, TheEndOfTheRuntimeEndsThemStoppedOrNot) {
  auto left = connected(static_cast<unix_stream*>(nullptr));
  auto waiting = connected(static_cast<pipe_reader*>(nullptr));
  join_handle<read_result> leaver = rt->spawn(read_owned<unix_stream>, std::ref(left.reader), std::size_t{100});
  join_handle<void> stays = rt->spawn(
      [](pipe_reader from) -> task<> {
        co_await shielded([](pipe_reader& on) -> task<> { static_cast<void>(co_await on.read_owned(room(100))); },
                          std::ref(from));
      },
      std::move(waiting.reader));
  test::settle(*rt);
  sys.hold = true;
  leaver.request_stop();
  test::settle(*rt);
  EXPECT_EQ(leaver.get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(rt->shutdown(1ms).stragglers.size(), 1u);
  rt.reset();
}

class OwnedOnThreadsTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, OwnedOnThreadsTest, test::back_ends_and_processors(), test::io_test_name);

TEST_P(OwnedOnThreadsTest, StopsThatRaceWithDataLoseNoByte) {
  std::size_t received = 0;
  run([&]() -> task<> {
    auto [a, b] = connected(static_cast<unix_stream*>(nullptr));
    for (int i = 0; i < 300; ++i) {
      join_handle<read_result> reading = spawn(read_owned<unix_stream>, std::ref(a), std::size_t{8});
      if (i % 3 == 0) co_await yield();
      EXPECT_EQ((co_await b.write_owned(copy_of("x"))).value_or(0), 1u);
      reading.request_stop();
      const read_result got = co_await reading;
      if (got.ok()) received += got->size();
    }
    b.close();
    received += (co_await read_all(a)).size();
  });
  EXPECT_EQ(received, 300u);
}

}  // namespace
}  // namespace weft
