// What was opened as a file and is a stream: FIFOs, which wait for their other end, and pipes.
//
// One thread is all that the blocking pool has here, and every test ends with a call that needs it: nothing may wait
// there for another process.
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/system.h"
#include "support/io_test.h"

namespace weft {
namespace {

using test::bytes_of;
using test::text_of;

class cache_system final : public os::system {
 public:
  explicit cache_system(bool cached) noexcept : cached_(cached) {}
  int32_t do_from_cache(const detail::io_request& request, uint32_t& partly) noexcept override {
    partly = 0;
    tried_opens += request.op == detail::io_op::open;
    return cached_ ? system::do_from_cache(request, partly) : -EAGAIN;
  }

  int tried_opens = 0;

 private:
  const bool cached_;
};

class FifoTest : public ::testing::TestWithParam<std::tuple<io_backend, bool>> {
 protected:
  FifoTest() : sys(std::get<1>(GetParam())) {
    char name[] = "/tmp/weft_fifo_test_XXXXXX";
    directory_ = ::mkdtemp(name);
    path = directory_ + "/fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    options opts;
    opts.io = std::get<0>(GetParam());
    opts.blocking_threads = 1;
    os::seams seams = os::seams::real();
    seams.sys = &sys;
    rt = *runtime_access::create(opts, seams, detail::drive::host);
  }
  ~FifoTest() override {
    rt->run([]() -> task<> { co_await blocking([] {}); });
    rt.reset();
    ::unlink(path.c_str());
    ::rmdir(directory_.c_str());
  }

  file open(open_mode mode) {
    absl::StatusOr<file> f = rt->run(file::open, path, mode);
    EXPECT_TRUE(f.ok()) << f.status();
    return f.ok() ? *std::move(f) : file();
  }

  std::string path;
  cache_system sys;
  std::unique_ptr<runtime> rt;

 private:
  std::string directory_;
};
INSTANTIATE_TEST_SUITE_P(On, FifoTest,
                         ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll), ::testing::Bool()),
                         [](const auto& made) {
                           return std::string(std::get<0>(made.param) == io_backend::uring ? "Uring" : "Epoll") +
                                  (std::get<1>(made.param) ? "Cached" : "Uncached");
                         });

task<std::string> read_some(file& from) {
  std::array<std::byte, 8> buffer;
  const absl::StatusOr<std::size_t> n = co_await from.read_some(buffer);
  co_return n.ok() ? std::string(text_of(std::span(buffer).first(*n))) : n.status().ToString();
}

task<std::size_t> count_all(file& from) {
  std::size_t all = 0;
  for (std::vector<std::byte> buffer(1000);;) {
    const absl::StatusOr<std::size_t> n = co_await from.read_some(buffer);
    if (!n.ok() || *n == 0) co_return all;
    all += *n;
  }
}

TEST_P(FifoTest, AReadWaitsForTheFirstWriterAndEndsWithTheLast) {
  file from = open(open_mode::read);
  join_handle<std::string> reading = rt->spawn(read_some, std::ref(from));
  test::settle(*rt);
  EXPECT_FALSE(reading.done());
  file to = open(open_mode::write);
  test::settle(*rt);
  EXPECT_FALSE(reading.done());
  EXPECT_TRUE(rt->run([&]() -> task<bool> { co_return (co_await to.write_all("abc")).ok(); }));
  test::settle(*rt);
  EXPECT_TRUE(reading.done());
  EXPECT_EQ(reading.get(), "abc");

  reading = rt->spawn(read_some, std::ref(from));
  test::settle(*rt);
  EXPECT_FALSE(reading.done());
  to.close();
  test::settle(*rt);
  EXPECT_TRUE(reading.done());
  EXPECT_EQ(reading.get(), "");
}

TEST_P(FifoTest, AWriterWithoutAReaderIsRefused) {
  for (const open_mode mode : {open_mode::write, open_mode::write | open_mode::create | open_mode::truncate}) {
    const absl::Status s = rt->run(file::open, path, mode).status();
    EXPECT_EQ(s.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(s.message(), "open " + path + ": No such device or address");
  }
  EXPECT_TRUE(open(open_mode::read | open_mode::write).is_open());
}

TEST_P(FifoTest, AStopOrACloseEndsAReadThatWaits) {
  file from = open(open_mode::read);
  join_handle<std::string> reading = rt->spawn(read_some, std::ref(from));
  test::settle(*rt);
  reading.request_stop();
  test::settle(*rt);
  EXPECT_TRUE(reading.done());
  EXPECT_EQ(reading.get().substr(0, 9), "CANCELLED");

  file to = open(open_mode::write);
  EXPECT_EQ(::write(to.fd(), "xyz", 3), 3);
  EXPECT_EQ(rt->run(read_some, std::ref(from)), "xyz");

  reading = rt->spawn(read_some, std::ref(from));
  test::settle(*rt);
  EXPECT_FALSE(reading.done());
  from.close();
  test::settle(*rt);
  EXPECT_TRUE(reading.done());
  EXPECT_NE(reading.get().find("closed"), std::string::npos);
}

TEST_P(FifoTest, AWriteWaitsForPlace) {
  file from = open(open_mode::read);
  file to = open(open_mode::write);
  join_handle<absl::Status> writing = rt->spawn(
      [](file& on) -> task<absl::Status> {
        const absl::Status s = co_await on.write_all(std::string(300'000, 'x'));
        on.close();
        co_return s;
      },
      std::ref(to));
  test::settle(*rt);
  EXPECT_FALSE(writing.done());
  EXPECT_EQ(rt->run(count_all, std::ref(from)), 300'000u);
  const absl::Status written = writing.get();
  EXPECT_TRUE(written.ok()) << written;
}

TEST_P(FifoTest, AnArmWaitsForTheFirstWriter) {
  file from = open(open_mode::read);
  join_handle<std::string> reading = rt->spawn(
      [](file& on) -> task<std::string> {
        std::array<std::byte, 8> buffer;
        const absl::StatusOr<std::size_t> n = co_await within(std::chrono::hours(1), on.read_some(buffer));
        co_return n.ok() ? std::string(text_of(std::span(buffer).first(*n))) : n.status().ToString();
      },
      std::ref(from));
  test::settle(*rt);
  EXPECT_FALSE(reading.done());
  file to = open(open_mode::write);
  EXPECT_EQ(::write(to.fd(), "abc", 3), 3);
  test::settle(*rt);
  EXPECT_TRUE(reading.done());
  EXPECT_EQ(reading.get(), "abc");
}

TEST_P(FifoTest, ItHasNoPositions) {
  file from = open(open_mode::read);
  rt->run([&]() -> task<> {
    std::array<std::byte, 8> buffer;
    const absl::Status read = (co_await from.read_at(buffer, 0)).status();
    EXPECT_NE(read.message().find("Illegal seek"), std::string::npos) << read;
    const absl::Status arm = (co_await within(std::chrono::hours(1), from.read_at(buffer, 0))).status();
    EXPECT_NE(arm.message().find("Illegal seek"), std::string::npos) << arm;
    const std::array<mutable_buffer, 1> parts{buffer};
    const absl::Status parted = (co_await from.read_at(parts, 0)).status();
    EXPECT_NE(parted.message().find("Illegal seek"), std::string::npos) << parted;
    const absl::Status owned = (co_await from.read_owned_at(std::vector<std::byte>(8), 0)).status();
    EXPECT_NE(owned.message().find("Illegal seek"), std::string::npos) << owned;
    absl::StatusOr<file> to = co_await file::open(path, open_mode::write);
    const absl::Status written = (co_await to->write_at(bytes_of("abc"), 0)).status();
    EXPECT_NE(written.message().find("Illegal seek"), std::string::npos) << written;
  });
}

// As standard input may be.
TEST_P(FifoTest, APipeInBlockingModeIsReadAsItFills) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  file from(ends[0]);
  for (const char* const piece : {"one", "two"}) {
    join_handle<std::string> reading = rt->spawn(read_some, std::ref(from));
    test::settle(*rt);
    EXPECT_FALSE(reading.done());
    EXPECT_EQ(::write(ends[1], piece, 3), 3);
    test::settle(*rt);
    EXPECT_TRUE(reading.done());
    EXPECT_EQ(reading.get(), piece);
  }
  ::close(ends[1]);
  EXPECT_EQ(rt->run(read_some, std::ref(from)), "");
}

// Opening does not wait for the other end of a FIFO, but for whoever holds a lease on a file: the task does, its
// processor does not.
TEST_P(FifoTest, ALeaseIsGivenBackFirst) {
  const std::string leased = path + ".leased";
  const int holder = ::open(leased.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  const auto before = std::signal(SIGIO, SIG_IGN);
  ASSERT_EQ(::fcntl(holder, F_SETLEASE, F_RDLCK), 0);
  join_handle<absl::StatusOr<file>> opening = rt->spawn(file::open, leased, open_mode::write);
  // It is refused, which tells the holder, and tries again in a way that waits.
  test::eventually([&] {
    test::settle(*rt);
    return sys.tried_opens == 2;
  });
  test::settle(*rt);
  EXPECT_EQ(::fcntl(holder, F_GETLEASE), F_UNLCK);
  EXPECT_FALSE(opening.done());
  EXPECT_EQ(::fcntl(holder, F_SETLEASE, F_UNLCK), 0);
  test::eventually([&] {
    test::settle(*rt);
    return opening.done();
  });
  const absl::StatusOr<file> opened = opening.get();
  EXPECT_TRUE(opened.ok()) << opened.status();
  std::signal(SIGIO, before);
  ::close(holder);
  ::unlink(leased.c_str());
}

}  // namespace
}  // namespace weft
