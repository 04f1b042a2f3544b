// Files: what is read from the page cache, what comes partly from the disk, and operations whose task has left.
//
// The disk is the system of these tests: it can say that nothing is cached, or only the beginning of a read, and it can
// hold back what was read.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "os/system.h"
#include "support/holding_port.h"
#include "support/io_test.h"

namespace weft {
namespace {

using test::text_of;

class slow_disk final : public os::system {
 public:
  absl::StatusOr<std::unique_ptr<os::io_port>> open_uring(os::uring_mode mode, uint32_t entries) noexcept override {
    auto made = system::open_uring(mode, entries);
    if (!made.ok()) return made;
    return std::make_unique<test::holding_port>(*std::move(made), hold, &flushes);
  }
  int32_t do_now(const detail::io_request& request) noexcept override {
    if (request.op == detail::io_op::read || request.op == detail::io_op::write) {
      ++plain_calls;
      test::eventually([&] { return !hold; });
    }
    return system::do_now(request);
  }
  int32_t do_from_cache(const detail::io_request& request, uint32_t& partly) noexcept override {
    if (request.op == detail::io_op::read) {
      ++tried_reads;
      if (beside_a_try) beside_a_try();
    }
    if (fast) return system::do_from_cache(request, partly);
    partly = 0;
    if (request.op != detail::io_op::read || request.length <= cached) return -EAGAIN;
    detail::io_request some = request;
    some.length = cached;
    if (cached != 0) partly = static_cast<uint32_t>(system::do_now(some));
    return -EAGAIN;
  }
  int64_t move_position(int fd, int64_t bytes) noexcept override {
    ++looks;
    return system::move_position(fd, bytes);
  }
  int duplicate(int fd) noexcept override {
    ++duplicates;
    return system::duplicate(fd);
  }
  void close_fd(int fd) noexcept override {
    ++closed;
    system::close_fd(fd);
  }

  std::atomic<bool> hold{false};
  uint32_t cached = 0;  // so many bytes of each read
  bool fast = false;    // as the real one is
  int tried_reads = 0;
  std::function<void()> beside_a_try;  // of a read
  int flushes = 0;                     // of the ring; by the driver
  int looks = 0;                       // where a file stands
  std::atomic<int> plain_calls{0};     // by the pool
  std::atomic<int> duplicates{0};
  std::atomic<int> closed{0};
};

class FileTest : public ::testing::TestWithParam<io_backend> {
 protected:
  FileTest() {
    char name[] = "/tmp/weft_file_test_XXXXXX";
    const int fd = ::mkstemp(name);
    path_ = name;
    EXPECT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::close(fd);
    options opts;
    opts.io = GetParam();
    os::seams seams = os::seams::real();
    seams.sys = &disk;
    rt = *runtime_access::create(opts, seams, detail::drive::host);
  }
  ~FileTest() override { ::unlink(path_.c_str()); }

  // The pool's threads are not the test's.
  void settle_until(const std::function<bool()>& condition) {
    test::eventually([&] {
      test::settle(*rt);
      return condition();
    });
  }

  const std::string content = "0123456789abcdefghij";
  std::string path_;
  slow_disk disk;
  std::unique_ptr<runtime> rt;
};
INSTANTIATE_TEST_SUITE_P(On, FileTest, ::testing::Values(io_backend::uring, io_backend::epoll),
                         [](const auto& made) { return made.param == io_backend::uring ? "Uring" : "Epoll"; });

TEST_P(FileTest, AReadThatIsPartlyCachedIsPutTogether) {
  disk.cached = 7;
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_);
    std::array<std::byte, 64> buffer;
    absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 2);
    EXPECT_EQ(text_of(std::span(buffer).first(*n)), content.substr(2));
    EXPECT_EQ(*(co_await read_file(path_)), content);
    EXPECT_EQ((co_await read_file(path_, 19)).status().code(), absl::StatusCode::kResourceExhausted);
  });
}

TEST_P(FileTest, AReadIsShortOnlyAtTheEndHoweverLongTheFileIs) {
  disk.fast = true;
  rt->run([&]() -> task<> {
    for (const std::size_t length : {0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 10'000, 16'384, 20'000}) {
      std::string text(length, '.');
      for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>('a' + i % 26);
      const absl::Status written = co_await write_file(path_, text);
      EXPECT_TRUE(written.ok()) << written;
      EXPECT_EQ(*(co_await read_file(path_)), text);
      absl::StatusOr<file> f = co_await file::open(path_);
      std::vector<std::byte> buffer(32'768);
      for (const std::size_t offset : {0, 1, 512, 4096, 5000}) {
        absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, offset);
        EXPECT_EQ(text_of(std::span(buffer).first(*n)), text.substr(std::min(offset, length)));
      }
    }
  });
}

// The number stays this file's until the call is over, and is given back then: what is opened in between gets another.
TEST_P(FileTest, ACloseBesideACachedReadTakesEffectWhenTheReadIsDone) {
  disk.fast = true;
  int other = -1;
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_);
    const int before = disk.closed;
    disk.beside_a_try = [&] {
      std::thread([&] { f->close(); }).join();
      EXPECT_FALSE(f->is_open());
      EXPECT_EQ(disk.closed, before);
      if (other < 0) other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    };
    std::array<std::byte, 64> buffer;
    absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
    EXPECT_EQ(text_of(std::span(buffer).first(n.value_or(0))), content);
    EXPECT_EQ(disk.closed, before + 1);
    n = co_await f->read_at(buffer, 0);
    EXPECT_EQ(n.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(disk.closed, before + 1);
  });
  ::close(other);
}

TEST_P(FileTest, ACloseBesideAReadThatIsNotCachedEndsItAsClosed) {
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_);
    const int before = disk.closed;
    disk.beside_a_try = [&] { std::thread([&] { f->close(); }).join(); };
    std::array<std::byte, 64> buffer;
    const absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
    EXPECT_EQ(n.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(disk.closed, before + 1);
  });
}

task<absl::StatusOr<std::size_t>> write_some_text(file& to) {
  co_return co_await to.write_at(std::as_bytes(std::span("text")), 0);
}

// By the ring or the pool.
TEST_P(FileTest, ACloseBesideAWriteTakesEffectWhenTheWriteIsDone) {
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::write);
  const int before = disk.closed;
  disk.hold = true;
  join_handle<absl::StatusOr<std::size_t>> writer = rt->spawn(write_some_text, std::ref(*f));
  test::settle(*rt);
  if (GetParam() == io_backend::epoll) settle_until([&] { return disk.plain_calls == 1; });
  f->close();
  EXPECT_FALSE(f->is_open());
  EXPECT_EQ(disk.closed, before);
  disk.hold = false;
  settle_until([&] { return writer.done(); });
  EXPECT_EQ(disk.closed, before + 1);
}

// Only the first read or write that has to wait asks whether it has a position.
TEST_P(FileTest, WhatAFileIsIsAskedOnce) {
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_, open_mode::read | open_mode::write);
    std::array<std::byte, 64> buffer;
    for (int i = 0; i < 3; ++i) {
      const absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
      EXPECT_EQ(n.value_or(0), content.size());
    }
    file moved = *std::move(f);
    const absl::StatusOr<std::size_t> n = co_await moved.write_some(std::as_bytes(std::span(content.data(), 2)));
    EXPECT_EQ(n.value_or(0), 2u);
    EXPECT_EQ(disk.looks, 1);
  });
}

TEST_P(FileTest, PathsMayBeGivenAsAnyKindOfText) {
  disk.fast = true;
  const std::string name = path_.substr(sizeof "/tmp/" - 1);
  std::string roundabout = "/tmp/";
  while (roundabout.size() < 1000) roundabout += "./";
  const std::string followed = path_ + "and more";
  rt->run([&]() -> task<> {
    EXPECT_TRUE((co_await file::open(path_)).ok());
    EXPECT_TRUE((co_await file::open(path_.c_str())).ok());
    EXPECT_TRUE((co_await file::open("/tmp/" + name)).ok());
    EXPECT_TRUE((co_await file::open(std::string_view(followed).substr(0, path_.size()))).ok());
    EXPECT_TRUE((co_await file::open(std::filesystem::path(path_))).ok());
    EXPECT_TRUE((co_await file::open(roundabout + name)).ok());
    EXPECT_TRUE((co_await file::open("/dev/null")).ok());
    EXPECT_EQ((co_await file::open("")).status().code(), absl::StatusCode::kNotFound);
    const absl::Status none = (co_await file::open(roundabout + "none")).status();
    EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(none.message()), ::testing::HasSubstr(roundabout + "none"));
  });
}

// A task has its own copy of the path, whatever becomes of the text that it was given.
TEST_P(FileTest, ATaskThatOpensAFileKeepsThePath) {
  rt->run([&]() -> task<> {
    std::vector<join_handle<absl::StatusOr<file>>> opening;
    for (int i = 0; i < 3; ++i) {
      std::string path = path_;
      opening.push_back(spawn(file::open, path, open_mode::read));
      path.assign(path.size(), 'x');
    }
    for (join_handle<absl::StatusOr<file>>& one : opening) {
      const absl::StatusOr<file> f = co_await one;
      EXPECT_TRUE(f.ok()) << f.status();
    }
  });
}

TEST_P(FileTest, AReaderOfCachedFilesLetsOthersRun) {
  disk.fast = true;
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_);
    std::array<std::byte, 64> buffer;
    for (const bool owned : {false, true}) {
      bool ran = false;
      join_handle<void> other = spawn(
          [](bool& set) -> task<> {
            set = true;
            co_return;
          },
          std::ref(ran));
      for (int reads = 0; reads < 10'000 && !ran; ++reads) {
        if (owned) {
          const absl::StatusOr<std::vector<std::byte>> read = co_await f->read_owned_at(std::vector<std::byte>(64), 0);
          EXPECT_TRUE(read.ok()) << read.status();
        } else {
          const absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
          EXPECT_TRUE(n.ok()) << n.status();
        }
      }
      EXPECT_TRUE(ran);
      co_await other;
    }
  });
}

TEST_P(FileTest, TheEndThatTheKernelHasToldOfIsNotReadAgain) {
  rt->run([&]() -> task<> {
    EXPECT_EQ(*(co_await read_file(path_)), content);
    EXPECT_EQ(disk.tried_reads, 2);  // for what is in the page cache, and for the whole
  });
}

// With the ring, which tries the same for many in one system call. The pool must not have what is cached.
TEST_P(FileTest, WhereNothingIsCachedReadsAreNotTriedFirst) {
  const bool ring = GetParam() == io_backend::uring;
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_);
    std::array<std::byte, 64> buffer;
    const auto read = [&](int times) -> task<> {
      for (int i = 0; i < times; ++i) EXPECT_EQ(*(co_await f->read_at(buffer, 0)), content.size());
    };
    co_await read(160);
    const int tried = disk.tried_reads;
    EXPECT_EQ(ring, tried < 20) << tried;
    EXPECT_EQ(ring, tried > 5 && tried < 160) << tried;
    // It is found out that this has changed.
    disk.fast = true;
    co_await read(20);
    disk.tried_reads = 0;
    co_await read(20);
    EXPECT_GE(disk.tried_reads, 20);
  });
}

task<> read_once(file& f, const int& flushes, std::vector<int>& seen) {
  seen.push_back(flushes);
  std::array<std::byte, 8> buffer;
  EXPECT_TRUE((co_await f.read_at(buffer, 0)).ok());
}

TEST_P(FileTest, TheDiskBeginsBeforeAllReadersHaveAsked) {
  if (GetParam() == io_backend::epoll) return;  // the pool's threads begin one by one
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
  disk.hold = true;
  std::vector<int> seen;
  join_handle<void> readers = rt->spawn(
      [](file& from, const int& flushes, std::vector<int>& numbers) -> task<> {
        std::vector<join_handle<void>> all;
        for (int i = 0; i < 9; ++i)
          all.push_back(spawn(read_once, std::ref(from), std::cref(flushes), std::ref(numbers)));
        for (join_handle<void>& one : all) co_await one;
      },
      std::ref(*f), std::cref(disk.flushes), std::ref(seen));
  settle_until([&] { return seen.size() == 9; });
  EXPECT_GT(seen.back(), seen.front());
  disk.hold = false;
  settle_until([&] { return rt->tasks().empty(); });
}

TEST_P(FileTest, AnOwnedBufferComesBackWithWhatWasRead) {
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_, open_mode::read | open_mode::write);
    absl::StatusOr<std::vector<std::byte>> read = co_await f->read_owned_at(std::vector<std::byte>(8), 5);
    EXPECT_EQ(text_of(*read), "56789abc");
    read = co_await f->read_owned_at(*std::move(read), 15);
    EXPECT_EQ(text_of(*read), "fghij");
    EXPECT_EQ(*(co_await f->write_owned_at(*std::move(read), 0)), 5u);
    EXPECT_EQ(*(co_await read_file(path_)), "fghij" + content.substr(5));
    f->close();
    EXPECT_EQ((co_await f->read_owned_at(std::vector<std::byte>(8), 5)).status().code(),
              absl::StatusCode::kFailedPrecondition);
  });
  EXPECT_EQ(disk.duplicates, 3);
}

task<absl::Status> read_and_leave(file f) {
  const absl::StatusOr<std::vector<std::byte>> read = co_await f.read_owned_at(std::vector<std::byte>(1000), 0);
  co_return read.status();
}

// The task, its file and its frame are gone while the disk still holds the bytes.
TEST_P(FileTest, AStoppedTaskLeavesItsOwnedReadAtOnce) {
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
  disk.hold = true;
  join_handle<absl::Status> reader = rt->spawn(read_and_leave, *std::move(f));
  settle_until([&] { return disk.duplicates == 1; });
  const int before = disk.closed;
  reader.request_stop();
  settle_until([&] { return reader.done(); });
  EXPECT_EQ(reader.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(disk.closed, before + 1);  // the file; its duplicate is in use
  disk.hold = false;
  settle_until([&] { return rt->tasks().empty(); });
  EXPECT_EQ(disk.closed, before + 2);
}

TEST_P(FileTest, ShutdownWaitsForReadsWhoseTasksHaveLeft) {
  if (GetParam() == io_backend::epoll) return;  // a call in the pool is waited for, and cannot be cancelled
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
  disk.hold = true;
  join_handle<absl::Status> reader = rt->spawn(read_and_leave, *std::move(f));
  settle_until([&] { return disk.duplicates == 1; });
  reader.request_stop();
  settle_until([&] { return reader.done(); });
  EXPECT_EQ(reader.get().code(), absl::StatusCode::kCancelled);
  // The port lets go only when everything is cancelled, after the deadline; until then the buffer must stay.
  EXPECT_EQ(rt->shutdown(std::chrono::milliseconds(1)).stragglers.size(), 1u);
  rt.reset();
  EXPECT_FALSE(disk.hold);
}

task<std::string> read_as_arm(file& f, bool some, channel<int> never) {
  std::array<std::byte, 8> buffer{};
  auto reading = some ? f.read_some(buffer) : f.read_at(buffer, 5);
  auto got = co_await select(reading, never.receive());
  if (!got) co_return "stopped";
  if (got.index() != 0) co_return "lost";
  const absl::StatusOr<std::size_t> n = got.get<0>();
  co_return n.ok() ? std::string(text_of(std::span(buffer).first(*n))) : n.status().ToString();
}

// The disk holds the bytes until the test says so, and nothing else waits for it.
TEST_P(FileTest, AReadAsAnArmWaitsForTheDiskAndNobodyElseDoes) {
  for (const uint32_t cached : {0u, 3u}) {
    disk.cached = cached;
    absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
    disk.hold = true;
    join_handle<std::string> reader = rt->spawn(read_as_arm, std::ref(*f), false, channel<int>());
    test::settle(*rt);
    EXPECT_FALSE(reader.done());
    disk.hold = false;
    settle_until([&] { return reader.done(); });
    EXPECT_EQ(reader.get(), "56789abc");
    settle_until([&] { return rt->tasks().empty(); });
  }
}

TEST_P(FileTest, AReadThatLosesTakesNothing) {
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
  const int before = disk.duplicates - disk.closed;
  disk.hold = true;
  channel<int> other(1);
  join_handle<std::string> reader = rt->spawn(read_as_arm, std::ref(*f), true, other);
  test::settle(*rt);
  EXPECT_FALSE(reader.done());
  EXPECT_TRUE(other.try_send(1));
  settle_until([&] { return reader.done(); });
  EXPECT_EQ(reader.get(), "lost");
  disk.hold = false;
  settle_until([&] { return rt->tasks().empty(); });
  EXPECT_EQ(disk.duplicates - disk.closed, before);
  // The position is where it was; and moves by what the arms read that are chosen.
  for (const char* const expected : {"01234567", "89abcdef", "ghij", ""}) {
    join_handle<std::string> again = rt->spawn(read_as_arm, std::ref(*f), true, channel<int>());
    settle_until([&] { return again.done(); });
    EXPECT_EQ(again.get(), expected);
  }
}

TEST_P(FileTest, AnArmSaysWhyItFailed) {
  absl::StatusOr<file> f = rt->run(file::open, "/tmp", open_mode::read);
  join_handle<std::string> reader = rt->spawn(read_as_arm, std::ref(*f), false, channel<int>());
  settle_until([&] { return reader.done(); });
  EXPECT_NE(reader.get().find("Is a directory"), std::string::npos);
  f->close();
  join_handle<std::string> late = rt->spawn(read_as_arm, std::ref(*f), false, channel<int>());
  settle_until([&] { return late.done(); });
  EXPECT_NE(late.get().find("closed"), std::string::npos);
}

TEST_P(FileTest, SyncAndWriteAreArms) {
  rt->run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path_, open_mode::write);
    const absl::StatusOr<std::size_t> n = co_await within(std::chrono::hours(1), f->write_at(test::bytes_of("xyz"), 2));
    EXPECT_EQ(*n, 3u);
    const absl::Status synced = co_await within(std::chrono::hours(1), f->sync_data());
    EXPECT_TRUE(synced.ok()) << synced;
  });
}

TEST_P(FileTest, AnArmThatWaitsIsDestroyedWithItsRuntime) {
  if (GetParam() == io_backend::epoll) return;  // a call in the pool is waited for, and cannot be cancelled
  absl::StatusOr<file> f = rt->run(file::open, path_, open_mode::read);
  disk.hold = true;
  join_handle<std::string> reader = rt->spawn(
      [](file on) -> task<std::string> { co_return co_await read_as_arm(on, false, channel<int>()); }, *std::move(f));
  test::settle(*rt);
  EXPECT_FALSE(reader.done());
  rt.reset();
}

// What a pipe gives is gone for others, so an arm may not read it before it is chosen.
TEST_P(FileTest, APipeKeepsWhatAnArmDidNotTake) {
  const std::string fifo = path_ + ".fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  rt->run([&]() -> task<> {
    absl::StatusOr<file> from = co_await file::open(fifo);
    absl::StatusOr<file> to = co_await file::open(fifo, open_mode::write);
    std::array<std::byte, 8> buffer;
    channel<int> other(1);
    EXPECT_TRUE(other.try_send(1));
    {
      auto lost = co_await select(from->read_some(buffer), other.receive());
      EXPECT_EQ(lost.index(), 1u);
    }
    const absl::Status written = co_await to->write_all("abc");
    EXPECT_TRUE(written.ok()) << written;
    auto won = co_await select(from->read_some(buffer), other.receive());
    EXPECT_EQ(*won.get<0>(), 3u);
  });
  ::unlink(fifo.c_str());
}

}  // namespace
}  // namespace weft
