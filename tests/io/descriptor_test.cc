// Files, pipes, datagrams, foreign descriptors, signals, children, names.
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::text_of;

class DescriptorTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, DescriptorTest, test::back_ends_and_processors(), test::io_test_name);

TEST_P(DescriptorTest, AFileIsWrittenReadAndMeasured) {
  const std::string path = directory() + "/file";
  run([&]() -> task<> {
    absl::StatusOr<file> f = co_await file::open(path, open_mode::read | open_mode::write | open_mode::create);
    EXPECT_TRUE(f.ok()) << f.status();
    EXPECT_TRUE((co_await f->write_all("hello ")).ok());
    EXPECT_TRUE((co_await f->write_all("world")).ok());
    EXPECT_TRUE((co_await f->write_all_at(bytes_of("J"), 0)).ok());
    EXPECT_TRUE((co_await f->sync()).ok());
    EXPECT_TRUE((co_await f->sync_data()).ok());
    std::array<std::byte, 32> buffer;
    absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
    EXPECT_EQ(text_of(std::span(buffer).first(*n)), "Jello world");
    EXPECT_EQ(*(co_await f->read_at(buffer, 100)), 0u);
    EXPECT_EQ((co_await f->read_exactly_at(buffer, 0)).code(), absl::StatusCode::kOutOfRange);
    absl::StatusOr<file_figures> figures = co_await f->stat();
    EXPECT_EQ(figures->bytes, 11u);
    EXPECT_EQ(figures->kind, file_kind::regular);
    EXPECT_EQ((co_await stat_file(path))->bytes, 11u);
    EXPECT_EQ(*(co_await read_file(path)), "Jello world");
    std::array<std::byte, 2> first;
    std::array<std::byte, 3> second;
    const std::array<mutable_buffer, 2> parts{first, second};
    EXPECT_EQ(*(co_await f->read_at(parts, 1)), 5u);
    EXPECT_EQ(text_of(first) + text_of(second), "ello ");
  });
}

// Reads until another thread closes the file, mostly in the middle of a read.
task<> read_beside_a_close(const std::string& path) {
  absl::StatusOr<file> f = co_await file::open(path);
  EXPECT_TRUE(f.ok()) << f.status();
  if (!f.ok()) co_return;
  const int number = f->fd();
  std::atomic<bool> is_reading{false};
  std::thread closer([&] {
    test::eventually([&] { return is_reading.load(); });
    f->close();
  });
  std::array<std::byte, 8> buffer;
  for (;;) {
    const absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 0);
    if (!n.ok()) {
      EXPECT_EQ(n.status().code(), absl::StatusCode::kFailedPrecondition);
      break;
    }
    EXPECT_EQ(text_of(std::span(buffer).first(*n)), "text");
    is_reading = true;
  }
  closer.join();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "the file is open still";
}

TEST_P(DescriptorTest, ACloseByAnotherThreadBesideReadsClosesAtOnce) {
  const std::string path = directory() + "/text";
  std::ofstream(path) << "text";
  for (int i = 0; i < 60; ++i) run(read_beside_a_close, std::cref(path));
}

TEST_P(DescriptorTest, AMissingFileIsNamed) {
  const std::string path = directory() + "/none";
  run([&]() -> task<> {
    const absl::Status s = (co_await file::open(path)).status();
    EXPECT_EQ(s.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(s.message(), "open " + path + ": No such file or directory");
    EXPECT_EQ((co_await stat_file(path)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ((co_await list_directory(path)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE((co_await write_file(path, "x")).ok());
    const absl::Status there =
        (co_await file::open(path, open_mode::write | open_mode::create | open_mode::exclusive)).status();
    EXPECT_EQ(there.code(), absl::StatusCode::kAlreadyExists);
  });
}

TEST_P(DescriptorTest, ADirectoryIsListedWithWhatIsBelow) {
  const std::string root = directory();
  std::filesystem::create_directories(root + "/a/b");
  std::ofstream(root + "/a/b/file") << "x";
  std::ofstream(root + "/top") << "y";
  run([&]() -> task<> {
    std::vector<std::string> names;
    absl::StatusOr<std::vector<directory_entry>> all = co_await list_directory(root, true);
    for (const directory_entry& e : *all) names.push_back(e.path);
    EXPECT_EQ(names, (std::vector<std::string>{root + "/a", root + "/a/b", root + "/a/b/file", root + "/top"}));
    EXPECT_EQ((co_await list_directory(root))->size(), 2u);
  });
}

TEST_P(DescriptorTest, ManySmallFilesAreReadAtTheSameTime) {
  const std::string root = directory();
  for (int i = 0; i < 300; ++i) std::ofstream(root + "/" + std::to_string(i)) << "file " << i;
  EXPECT_EQ(run([&]() -> task<int> {
              task_group group({.limit = 32});
              std::atomic<int> good{0};
              const auto check = [](std::string path, int i, std::atomic<int>& count) -> task<> {
                absl::StatusOr<std::string> content = co_await read_file(path);
                if (content.ok() && *content == "file " + std::to_string(i)) ++count;
              };
              for (int i = 0; i < 300; ++i)
                EXPECT_TRUE(co_await group.go(check, root + "/" + std::to_string(i), i, std::ref(good)));
              co_await group.wait();
              co_return good;
            }),
            300);
}

TEST_P(DescriptorTest, APipeCarriesBytesAndItsEnd) {
  run([]() -> task<> {
    absl::StatusOr<pipe_ends> p = make_pipe();
    join_handle<std::size_t> reader = spawn(
        [](pipe_reader r) -> task<std::size_t> {
          std::size_t all = 0;
          std::array<std::byte, 1000> buffer;
          for (;;) {
            absl::StatusOr<std::size_t> n = co_await r.read_some(buffer);
            if (!n.ok() || *n == 0) co_return all;
            all += *n;
          }
        },
        std::move(p->reader));
    // More than a pipe holds.
    EXPECT_TRUE((co_await p->writer.write_all(std::string(300'000, 'x'))).ok());
    p->writer.close();
    EXPECT_EQ(co_await reader, 300'000u);
  });
}

// As standard output may be: a plain write would wait until the reader has taken all of it, and so would the reader.
TEST_P(DescriptorTest, AWriteToAPipeInBlockingModeHoldsUpNobody) {
  run([]() -> task<> {
    for (const bool owned : {false, true}) {
      int ends[2];
      EXPECT_EQ(::pipe(ends), 0);
      join_handle<std::size_t> reader = spawn(
          [](pipe_reader r) -> task<std::size_t> {
            std::size_t all = 0;
            for (std::vector<std::byte> buffer(1000);;) {
              absl::StatusOr<std::size_t> n = co_await r.read_some(buffer);
              if (!n.ok() || *n == 0) co_return all;
              all += *n;
            }
          },
          pipe_reader(ends[0]));
      pipe_writer writer(ends[1]);
      std::vector<std::byte> data(300'000);
      if (owned) {
        EXPECT_EQ((co_await writer.write_owned(std::move(data))).value_or(0), 300'000u);
      } else {
        EXPECT_TRUE((co_await writer.write_all(data)).ok());
      }
      writer.close();
      EXPECT_EQ(co_await reader, 300'000u);
    }
  });
}

TEST_P(DescriptorTest, AWriteToAPipeWithoutReadersFails) {
  ignore_sigpipe();
  run([]() -> task<> {
    absl::StatusOr<pipe_ends> p = make_pipe();
    p->reader.close();
    const absl::Status s = co_await p->writer.write_all("x");
    EXPECT_FALSE(s.ok());
    EXPECT_NE(s.message().find("Broken pipe"), std::string::npos) << s;
  });
}

// One of the process's descriptors is another one for a scope.
class replaced_descriptor {
 public:
  replaced_descriptor(int which, int by) : which_(which), saved_(::dup(which)) { EXPECT_EQ(::dup2(by, which), which); }
  ~replaced_descriptor() {
    if (saved_ < 0) {
      ::close(which_);
    } else {
      EXPECT_EQ(::dup2(saved_, which_), which_);
      ::close(saved_);
    }
  }
  replaced_descriptor(const replaced_descriptor&) = delete;
  replaced_descriptor& operator=(const replaced_descriptor&) = delete;

 private:
  const int which_, saved_;
};

TEST_P(DescriptorTest, StandardStreamsAreDuplicatesWhateverIsBehindThem) {
  const std::string path = directory() + "/input";
  run([&]() -> task<> {
    // A pipe, and a file, which the kernel never calls unready.
    absl::StatusOr<pipe_ends> p = make_pipe();
    EXPECT_TRUE((co_await p->writer.write_all("one two ")).ok());
    p->writer.close();
    const absl::Status written = co_await write_file(path, "one two ");
    EXPECT_TRUE(written.ok()) << written;
    absl::StatusOr<file> f = co_await file::open(path);
    for (const int behind : {p->reader.fd(), f->fd()}) {
      const replaced_descriptor input(0, behind);
      absl::StatusOr<pipe_reader> in = standard_input();
      EXPECT_TRUE(in.ok()) << in.status();
      std::array<std::byte, 4> word;
      for (const char* expected : {"one ", "two "}) {
        const absl::Status s = co_await in->read_exactly(word);
        EXPECT_TRUE(s.ok()) << s;
        EXPECT_EQ(test::text_of(word), expected);
      }
      EXPECT_EQ((co_await in->read_some(word)).value_or(1), 0u);
      in->close();
      EXPECT_EQ(::fcntl(0, F_GETFD), 0);
    }
    for (const int which : {1, 2}) {
      absl::StatusOr<pipe_ends> q = make_pipe();
      absl::Status s;
      {
        const replaced_descriptor output(which, q->writer.fd());
        absl::StatusOr<pipe_writer> out = which == 1 ? standard_output() : standard_error();
        EXPECT_TRUE(out.ok()) << out.status();
        s = co_await out->write_all("text");
      }
      EXPECT_TRUE(s.ok()) << s;
      std::array<std::byte, 8> got;
      EXPECT_EQ((co_await q->reader.read_some(got)).value_or(0), 4u);
    }
  });
}

TEST_P(DescriptorTest, DatagramsKeepTheirBoundsAndSender) {
  run([]() -> task<> {
    absl::StatusOr<udp_socket> a = udp_socket::bind(socket_address::loopback(0));
    absl::StatusOr<udp_socket> b = udp_socket::bind(socket_address::loopback(0));
    EXPECT_EQ(*(co_await a->send_to(b->local_address(), bytes_of("first"))), 5u);
    EXPECT_EQ(*(co_await a->send_to(b->local_address(), bytes_of("second one"))), 10u);
    std::array<std::byte, 6> buffer;
    absl::StatusOr<datagram> d = co_await b->receive_from(buffer);
    EXPECT_EQ(text_of(std::span(buffer).first(d->bytes)), "first");
    EXPECT_FALSE(d->truncated);
    EXPECT_EQ(d->from, a->local_address());
    d = co_await b->receive_from(buffer);
    EXPECT_EQ(text_of(buffer), "second");
    EXPECT_TRUE(d->truncated);
    EXPECT_TRUE(b->connect(a->local_address()).ok());
    EXPECT_EQ(*(co_await b->send(bytes_of("back"))), 4u);
    d = co_await a->receive_from(buffer);
    EXPECT_EQ(d->bytes, 4u);
  });
}

TEST_P(DescriptorTest, AForeignDescriptorIsWaitedForAndLeftOpen) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  run([&]() -> task<> {
    fd_readiness reading(ends[0]);
    fd_readiness writing(ends[1]);
    EXPECT_TRUE((co_await writing.writable()).ok());
    auto r = co_await select(reading.readable(), sleep_for(1us));
    EXPECT_EQ(r.index(), 1u);
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_TRUE((co_await reading.readable()).ok());
  });
  char c = 0;
  EXPECT_EQ(::read(ends[0], &c, 1), 1);
  ::close(ends[0]);
  ::close(ends[1]);
}

// Sends a signal to this process. The runtime's threads block signals, so the main thread gets it, which waits in a
// futex call. ThreadSanitizer does not know that call, and holds the handler back until it ends. So there a thread that
// lets signals through sends it to itself: then the handler runs at once.
void send_to_process(int signal) {
  if (!WEFT_TSAN) {
    ::kill(::getpid(), signal);
    return;
  }
  std::thread([signal] {
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    ::raise(signal);
  }).join();
}

TEST_P(DescriptorTest, ASignalIsAnArmOfASelect) {
  run([]() -> task<> {
    absl::StatusOr<signal_set> set = signal_set::create({SIGUSR1, SIGUSR2});
    channel<int> other(1);
    const auto next = [&]() -> task<int> {
      auto r = co_await select(set->next(), other.receive());
      co_return r.index() == 0 ? r.get<0>().value_or(-1) : -2;
    };
    EXPECT_TRUE(co_await other.send(1));
    EXPECT_EQ(co_await next(), -2);
    send_to_process(SIGUSR1);
    EXPECT_EQ(co_await next(), SIGUSR1);
    send_to_process(SIGUSR1);
    send_to_process(SIGUSR2);
    const int one = co_await next();
    const int another = *(co_await set->next());
    EXPECT_EQ(one + another, SIGUSR1 + SIGUSR2);
    // The descriptor may still be readable for the one that came second; nothing is there.
    EXPECT_TRUE(co_await other.send(1));
    EXPECT_EQ(co_await next(), -2);
  });
}

TEST_P(DescriptorTest, SignalsAreGivenToWhoWaits) {
  run([]() -> task<> {
    absl::StatusOr<signal_set> a = signal_set::create({SIGUSR1, SIGUSR2});
    absl::StatusOr<signal_set> b = signal_set::create({SIGUSR2});
    EXPECT_TRUE(a.ok() && b.ok());
    send_to_process(SIGUSR1);
    EXPECT_EQ(*(co_await a->next()), SIGUSR1);
    send_to_process(SIGUSR2);
    EXPECT_EQ(*(co_await a->next()), SIGUSR2);
    EXPECT_EQ(*(co_await b->next()), SIGUSR2);
  });
  const absl::Status s = signal_set::create({SIGKILL}).status();
  EXPECT_EQ(s.message(),
            "signal_set: signal 9 cannot be caught; allowed are 1 to 64 without SIGKILL, SIGSTOP and faults");
}

TEST_P(DescriptorTest, TheEndOfAChildIsWaitedFor) {
  const pid_t quick = ::fork();
  if (quick == 0) ::_exit(7);
  const pid_t sleeper = ::fork();
  if (sleeper == 0) {
    for (;;) ::pause();
  }
  run([&]() -> task<> {
    absl::StatusOr<child_process> a = child_process::attach(quick);
    absl::StatusOr<child_process> b = child_process::attach(sleeper);
    absl::StatusOr<exit_status> end = co_await a->wait();
    EXPECT_EQ(end->code, 7);
    EXPECT_EQ((co_await a->wait())->code, 7);
    EXPECT_TRUE(b->send_signal(SIGKILL).ok());
    end = co_await b->wait();
    EXPECT_EQ(end->signal, SIGKILL);
    EXPECT_EQ(a->send_signal(SIGTERM).code(), absl::StatusCode::kNotFound);
  });
  EXPECT_EQ(child_process::attach(1).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(DescriptorTest, LocalhostIsResolved) {
  run([]() -> task<> {
    absl::StatusOr<std::vector<socket_address>> found = co_await resolve("localhost", "80");
    EXPECT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->front().port(), 80);
    EXPECT_FALSE((co_await resolve("no.such.host.invalid", "80")).ok());
  });
}

TEST(SocketAddressTest, TextIsReadAndWritten) {
  for (const char* text : {"127.0.0.1:80", "[::1]:443", "unix:/run/x.sock", "unix:@name", "0.0.0.0:0"}) {
    absl::StatusOr<socket_address> a = socket_address::parse(text);
    ASSERT_TRUE(a.ok()) << a.status();
    EXPECT_EQ(a->to_string(), text);
  }
  for (const char* text : {"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "[::1:80", "host:80", "", "unix:"})
    EXPECT_EQ(socket_address::parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
}

}  // namespace
}  // namespace weft
