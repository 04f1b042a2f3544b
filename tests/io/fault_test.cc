// The kernel says no: each request in turn fails with each error that kernels give, transfers are short, rings are tiny
// or refused. Whatever fails, nothing crashes, hangs or leaks, and what succeeds is right.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gmock/gmock.h>

#include "io/figures.h"
#include "support/descriptors.h"
#include "support/fault_system.h"
#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::call;

std::unique_ptr<runtime> make(test::fault_system& sys, io_backend backend, int processors) {
  options opts;
  opts.io = backend;
  opts.processors = processors;
  os::seams seams = test::seeded_seams();
  seams.sys = &sys;
  absl::StatusOr<std::unique_ptr<runtime>> rt =
      runtime_access::create(opts, seams, processors == 0 ? detail::drive::host : detail::drive::threads);
  EXPECT_TRUE(rt.ok()) << rt.status();
  return rt.ok() ? *std::move(rt) : nullptr;
}

task<> serve_one(tcp_stream s) {
  std::array<std::byte, 64> buffer;
  for (;;) {
    absl::StatusOr<std::size_t> n = co_await s.read_some(buffer);
    if (!n.ok() || *n == 0) co_return;
    const absl::Status written = co_await s.write_all(std::span(buffer).first(*n));
    if (!written.ok()) co_return;
  }
}

task<> serve(tcp_listener& on) {
  task_group group;
  for (int failures = 0;;) {
    absl::StatusOr<tcp_stream> s = co_await on.accept();
    if (s.ok()) {
      (void)co_await group.go(serve_one, *std::move(s));
    } else if (this_task::stop_requested() || ++failures > 3) {
      break;
    }
  }
  co_await group.wait();
}

task<absl::Status> talk(socket_address to) {
  absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(to);
  if (!s.ok()) co_return s.status();
  for (int i = 0; i < 3; ++i) {
    const std::string text = "message " + std::to_string(i);
    if (absl::Status w = co_await s->write_all(text); !w.ok()) co_return w;
    std::array<std::byte, 9> answer;
    if (absl::Status r = co_await s->read_exactly(answer); !r.ok()) co_return r;
    EXPECT_EQ(test::text_of(answer), text);
  }
  // And as an arm.
  if (absl::Status w = co_await s->write_all("x"); !w.ok()) co_return w;
  std::array<std::byte, 1> answer;
  absl::StatusOr<std::size_t> n = co_await within(1h, s->read_some(answer));
  co_return n.status();
}

// What the stream does not need: datagrams, a pipe, several buffers at once, and a read without one.
task<absl::Status> do_the_rest() {
  absl::StatusOr<udp_socket> u = udp_socket::bind(socket_address::loopback(0));
  if (!u.ok()) co_return u.status();
  std::array<std::byte, 8> buffer;
  absl::StatusOr<std::size_t> sent = co_await u->send_to(u->local_address(), bytes_of("one"));
  if (!sent.ok()) co_return sent.status();
  absl::StatusOr<datagram> got = co_await u->receive_from(buffer);
  if (!got.ok()) co_return got.status();
  EXPECT_EQ(got->bytes, 3u);
  absl::StatusOr<pipe_ends> p = make_pipe();
  if (!p.ok()) co_return p.status();
  if (absl::Status w = co_await p->writer.write_all("eight by"); !w.ok()) co_return w;
  if (absl::Status r = co_await p->reader.read_exactly(buffer); !r.ok()) co_return r;
  EXPECT_EQ(test::text_of(buffer), "eight by");
  auto both = unix_stream::pair();
  if (!both.ok()) co_return both.status();
  const std::array<const_buffer, 2> parts{bytes_of("head"), bytes_of("body")};
  if (absl::Status w = co_await both->first.write_all(parts); !w.ok()) co_return w;
  std::string all;
  while (all.size() < 8) {
    absl::StatusOr<io_buffer> part = co_await both->second.read_some();
    if (!part.ok()) co_return part.status();
    all += test::text_of(part->bytes());
  }
  EXPECT_EQ(all, "headbody");
  co_return absl::OkStatus();
}

// Three clients of an echo server, and the rest; the first error that one of them had.
task<absl::Status> conversation() {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  if (!l.ok()) co_return l.status();
  join_handle<void> server = spawn(serve, std::ref(*l));
  std::vector<join_handle<absl::Status>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(spawn(talk, l->local_address()));
  absl::Status first = co_await do_the_rest();
  for (join_handle<absl::Status>& c : clients) first.Update(co_await c);
  server.request_stop();
  co_await server;
  co_return first;
}

// What an error at one end of a connection does to the other.
bool is_of_other_end(const absl::Status& s) {
  return absl::IsOutOfRange(s) || s.message().find("reset") != std::string::npos;
}

class FaultTest : public ::testing::TestWithParam<std::tuple<io_backend, int>> {
 protected:
  static io_backend backend() { return std::get<0>(GetParam()); }
  static int processors() { return std::get<1>(GetParam()); }

  /// Fails the first request, then the second, ..., until a conversation has fewer.
  template <class Check>
  static void fail_each(int error, const Check& check) {
    const std::ptrdiff_t before = test::open_descriptors();
    for (int64_t n = 1;; ++n) {
      test::fault_system sys;
      sys.io.error = error;
      sys.io.fail_nth = n;
      sys.io.plain_calls = true;  // a lone send is one
      {
        std::unique_ptr<runtime> rt = make(sys, backend(), processors());
        ASSERT_NE(rt, nullptr);
        check(rt->run(conversation), n);
        EXPECT_TRUE(rt->shutdown(10s).clean());
      }
      EXPECT_EQ(test::open_descriptors(), before) << "request " << n;
      if (sys.io.failed == 0 && sys.io.started < n) break;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(On, FaultTest,
                         ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll),
                                            ::testing::Values(0, 2)),
                         test::io_test_name);

TEST_P(FaultTest, AnInterruptedRequestIsNotSeen) {
  fail_each(EINTR, [](const absl::Status& s, int64_t n) { EXPECT_TRUE(s.ok()) << n << ": " << s; });
}

TEST_P(FaultTest, ARequestThatWouldBlockIsNotSeen) {
  fail_each(EAGAIN, [](const absl::Status& s, int64_t n) { EXPECT_TRUE(s.ok()) << n << ": " << s; });
}

TEST_P(FaultTest, ARequestThatNobodyCancelledIsNotSeen) {
  fail_each(ECANCELED, [](const absl::Status& s, int64_t n) { EXPECT_TRUE(s.ok()) << n << ": " << s; });
}

TEST_P(FaultTest, EveryOtherErrorEndsItsOperationAndNothingElse) {
  for (const int error : {EMFILE, ENOBUFS, ENOMEM, ECONNRESET, EPIPE, EIO})
    fail_each(error, [=](const absl::Status& s, int64_t n) {
      // It is its own error that is reported, or what it did to the other end of its connection.
      EXPECT_TRUE(s.ok() || is_of_other_end(s) || s.code() == absl::ErrnoToStatusCode(error))
          << error << ", " << n << ": " << s;
    });
}

TEST_P(FaultTest, ShortTransfersLoseNothing) {
  test::fault_system sys;
  sys.io.short_transfers = true;
  sys.io.plain_calls = true;
  std::unique_ptr<runtime> rt = make(sys, backend(), processors());
  EXPECT_TRUE(rt->run(conversation).ok());
}

TEST_P(FaultTest, ARingWithoutPlaceLosesNothing) {
  test::fault_system sys;
  sys.io.ring_entries = 1;
  std::unique_ptr<runtime> rt = make(sys, backend(), processors());
  std::vector<std::pair<unix_stream, unix_stream>> pairs;
  for (int i = 0; i < 100; ++i) pairs.push_back(*unix_stream::pair());
  const auto read_two = [](unix_stream& on) -> task<int> {
    std::array<std::byte, 1> buffer;
    int good = 0;
    for (int i = 0; i < 2; ++i) {
      absl::StatusOr<std::size_t> n = co_await on.read_some(buffer);
      good += n.ok() && *n == 1 ? 1 : 0;
    }
    co_return good;
  };
  std::vector<join_handle<int>> reading;
  for (auto& p : pairs) reading.push_back(rt->spawn(read_two, std::ref(p.first)));
  for (int round = 0; round < 2; ++round)
    rt->run(
        [](std::vector<std::pair<unix_stream, unix_stream>>& all) -> task<> {
          for (auto& p : all) {
            const absl::Status written = co_await p.second.write_all("x");
            EXPECT_TRUE(written.ok()) << written;
          }
        },
        std::ref(pairs));
  for (join_handle<int>& h : reading) EXPECT_EQ(h.get(), 2);
  const detail::io_figures figures = detail::io_figures_of(runtime_access::sched(*rt));
  EXPECT_EQ(figures.under_way, 0u);
  EXPECT_GE(figures.completions, 200u);  // of the reads; writes may be done at once
}

TEST_P(FaultTest, ARingThatIsRefusedIsStoodInForAndTheReasonIsKept) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (int64_t refused = 1; refused <= 4; ++refused) {
    test::fault_system sys;
    std::unique_ptr<runtime> rt = make(sys, backend(), processors());
    if (refused < 4)
      sys.fail_nth(call::open_uring, refused);
    else
      sys.fail_from(call::open_uring);
    EXPECT_TRUE(rt->run(conversation).ok());
    const auto in_use = detail::io_backends_of(runtime_access::sched(*rt));
    ASSERT_FALSE(in_use.empty());
    for (const detail::io_backend_in_use& io : in_use) {
      EXPECT_NE(rt->dump().find("I/O of processor " + std::to_string(io.processor) + ": " + io.description),
                std::string::npos);
      if (backend() == io_backend::epoll)
        EXPECT_EQ(io.description, "epoll (asked for)");
      else if (refused == 4)
        EXPECT_THAT(io.description, ::testing::AllOf(::testing::StartsWith("epoll ("),
                                                     ::testing::HasSubstr("plain: io_uring_setup: failure injected")));
      else
        EXPECT_THAT(io.description, ::testing::StartsWith("io_uring, "));
    }
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_P(FaultTest, WithoutAnyBackEndOperationsFailAndTheRuntimeGoesOn) {
  const std::ptrdiff_t before = test::open_descriptors();
  {
    test::fault_system sys;
    std::unique_ptr<runtime> rt = make(sys, backend(), processors());
    sys.fail_from(call::open_uring);
    sys.fail_from(call::open_epoll);
    EXPECT_EQ(rt->run(conversation).code(), absl::StatusCode::kResourceExhausted);
    sys.succeed(call::open_epoll);
    EXPECT_TRUE(rt->run(conversation).ok());
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_P(FaultTest, AnEventDescriptorThatIsRefusedIsNoReasonToFail) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (int64_t n = 1; n <= 4; ++n) {
    test::fault_system sys;
    std::unique_ptr<runtime> rt = make(sys, backend(), processors());
    sys.fail_nth(call::create_event_fd, n);
    const absl::Status s = rt->run(conversation);
    // It may be the other end that is refused, and closes its connection.
    EXPECT_TRUE(s.ok() || absl::IsResourceExhausted(s) || is_of_other_end(s)) << n << ": " << s;
    if (backend() == io_backend::uring) {
      EXPECT_TRUE(s.ok()) << n << ": " << s;
    }
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_P(FaultTest, AHostThatWouldNotBeToldIsAnError) {
  if (processors() != 0) GTEST_SKIP() << "there is no host";
  test::fault_system sys;
  std::unique_ptr<runtime> rt = make(sys, backend(), processors());
  sys.fail_nth(call::add_to_wait_set, 1);
  EXPECT_EQ(rt->run([]() -> task<absl::Status> {
                auto both = unix_stream::pair();
                std::array<std::byte, 1> buffer;
                absl::StatusOr<std::size_t> n = co_await both->first.read_some(buffer);
                co_return n.status();
              }).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(rt->run(conversation).ok());
}

TEST_P(FaultTest, FilesAreReadWithoutAThreadForThem) {
  test::fault_system sys;
  std::unique_ptr<runtime> rt = make(sys, backend(), processors());
  sys.fail_from(call::start_thread);
  EXPECT_TRUE(rt->run([]() -> task<bool> {
    absl::StatusOr<std::string> text = co_await read_file("/proc/self/status");
    co_return text.ok() && !text->empty();
  }));
}

// Everything that can be asked of files, in a directory that is there; the first error.
task<absl::Status> use_files(std::string directory) {
  const std::string path = directory + "/file", text(1000, 'x');
  if (absl::Status s = co_await write_file(path, text); !s.ok()) co_return s;
  absl::StatusOr<file> f = co_await file::open(path, open_mode::read | open_mode::write);
  if (!f.ok()) co_return f.status();
  if (absl::Status s = co_await f->write_all_at(bytes_of("abc"), 10); !s.ok()) co_return s;
  std::array<std::byte, 20> buffer{};
  if (absl::Status s = co_await f->read_exactly_at(buffer, 10); !s.ok()) co_return s;
  EXPECT_EQ(test::text_of(buffer), "abc" + std::string(17, 'x'));

  const std::array<mutable_buffer, 2> into{std::span(buffer).first(1), std::span(buffer).subspan(1)};
  const absl::StatusOr<std::size_t> read = co_await f->read_at(into, 11);
  if (!read.ok()) co_return read.status();
  const std::array<const_buffer, 2> from{bytes_of("d"), bytes_of("ef")};
  const absl::StatusOr<std::size_t> written = co_await f->write_at(from, 13);
  if (!written.ok()) co_return written.status();

  absl::StatusOr<std::vector<std::byte>> owned = co_await f->read_owned_at(std::vector<std::byte>(10), 0);
  if (!owned.ok()) co_return owned.status();
  EXPECT_GE(owned->size(), 1u);
  const absl::StatusOr<std::size_t> left = co_await f->write_owned_at(*std::move(owned), 0);
  if (!left.ok()) co_return left.status();

  const absl::StatusOr<std::size_t> as_arm = co_await within(1h, f->read_some(buffer));
  if (!as_arm.ok()) co_return as_arm.status();
  EXPECT_GE(*as_arm, 1u);
  EXPECT_EQ(buffer[0], std::byte{'x'});
  if (absl::Status s = co_await within(1h, f->sync()); !s.ok()) co_return s;
  if (absl::Status s = co_await f->sync_data(); !s.ok()) co_return s;

  const absl::StatusOr<file_figures> figures = co_await f->stat();
  if (!figures.ok()) co_return figures.status();
  EXPECT_EQ(figures->bytes, text.size());
  const absl::StatusOr<file_figures> named = co_await stat_file(path);
  if (!named.ok()) co_return named.status();
  const absl::StatusOr<std::vector<directory_entry>> entries = co_await list_directory(directory);
  if (!entries.ok()) co_return entries.status();
  EXPECT_EQ(entries->size(), 1u);

  const absl::StatusOr<std::string> all = co_await read_file(path);
  if (!all.ok()) co_return all.status();
  EXPECT_EQ(all->size(), text.size());
  EXPECT_EQ(all->substr(10, 6), "abcdef");
  co_return absl::OkStatus();
}

class FileFaultTest : public FaultTest {
 protected:
  FileFaultTest() { EXPECT_NE(::mkdtemp(directory_.data()), nullptr); }
  ~FileFaultTest() override {
    ::unlink((directory_ + "/file").c_str());
    ::rmdir(directory_.c_str());
  }

  /// As above, with everything in the caches and with nothing there.
  template <class Check>
  void fail_each_of_files(int error, const Check& check) {
    const std::ptrdiff_t before = test::open_descriptors();
    for (const bool nothing_cached : {false, true})
      for (int64_t n = 1;; ++n) {
        test::fault_system sys;
        sys.io.error = error;
        sys.io.fail_nth = n;
        sys.io.plain_calls = true;
        sys.io.nothing_cached = nothing_cached;
        {
          std::unique_ptr<runtime> rt = make(sys, backend(), processors());
          ASSERT_NE(rt, nullptr);
          check(rt->run(use_files, directory_), n);
          EXPECT_TRUE(rt->shutdown(10s).clean());
        }
        EXPECT_EQ(test::open_descriptors(), before) << "request " << n;
        if (sys.io.started < n) break;
      }
  }

  std::string directory_ = "/tmp/weft_fault_test_XXXXXX";
};
INSTANTIATE_TEST_SUITE_P(On, FileFaultTest,
                         ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll),
                                            ::testing::Values(0, 2)),
                         test::io_test_name);

TEST_P(FileFaultTest, WhatIsInterruptedOrBeginsAgainIsNotSeen) {
  for (const int error : {EINTR, EAGAIN, ECANCELED})
    fail_each_of_files(
        error, [=](const absl::Status& s, int64_t n) { EXPECT_TRUE(s.ok()) << error << ", " << n << ": " << s; });
}

TEST_P(FileFaultTest, EveryOtherErrorEndsItsOperationAndNothingElse) {
  for (const int error : {EMFILE, ENOMEM, ENOSPC, EIO})
    fail_each_of_files(error, [=](const absl::Status& s, int64_t n) {
      EXPECT_TRUE(s.ok() || s.code() == absl::ErrnoToStatusCode(error)) << error << ", " << n << ": " << s;
    });
}

TEST_P(FileFaultTest, ShortTransfersLoseNothing) {
  test::fault_system sys;
  sys.io.short_transfers = true;
  sys.io.plain_calls = true;
  sys.io.nothing_cached = true;
  std::unique_ptr<runtime> rt = make(sys, backend(), processors());
  const absl::Status s = rt->run(use_files, directory_);
  EXPECT_TRUE(s.ok()) << s;
}

TEST_P(FileFaultTest, ADirectoryOrADuplicateThatIsRefusedIsAnError) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (const auto& [kind, code] : {std::pair(call::list_nodes, absl::ErrnoToStatusCode(EIO)),
                                   std::pair(call::duplicate, absl::ErrnoToStatusCode(EMFILE))})
    for (int64_t n = 1;; ++n) {
      test::fault_system sys;
      sys.io.nothing_cached = true;
      sys.fail_nth(kind, n);
      std::unique_ptr<runtime> rt = make(sys, backend(), processors());
      const absl::Status s = rt->run(use_files, directory_);
      if (sys.failed(kind) == 0) {
        EXPECT_TRUE(s.ok()) << s;
        break;
      }
      EXPECT_EQ(s.code(), code) << n << ": " << s;
    }
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace weft
