// Peer benchmark: files by one ring of io_uring, written by hand on liburing, on one thread.
//
// The large file: two reads under way. Small files: 32 under way, each a chain of three linked requests (open into a
// slot of the ring's own table, read, close), so that nothing but io_uring_enter is called; a file that does not fill
// the buffer counts as read to its end.
//
// Run: ./peer_liburing WORKLOAD 1, with the workloads of file_work.h.
#include <liburing.h>

#include <array>

#include "file_work.h"

namespace {

constexpr unsigned files_under_way = 32;
constexpr std::size_t small_buffer = 16 * 1024;

class ring {
 public:
  ring() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    peer::check(io_uring_queue_init_params(256, &ring_, &params) == 0, "io_uring_setup failed");
  }
  ~ring() { io_uring_queue_exit(&ring_); }
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  io_uring* get() { return &ring_; }

 private:
  io_uring ring_{};
};

std::uint64_t read_sequential(const std::string& path) {
  ring r;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  peer::check(fd >= 0, "open failed");
  std::array<std::vector<char>, 2> buffers;
  std::uint64_t offset = 0, all = 0;
  const auto start = [&](std::size_t which) {
    io_uring_sqe* sqe = io_uring_get_sqe(r.get());
    io_uring_prep_read(sqe, fd, buffers[which].data(), static_cast<unsigned>(buffers[which].size()), offset);
    io_uring_sqe_set_data64(sqe, which);
    offset += buffers[which].size();
  };
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    buffers[i].resize(peer::sequential_piece);
    start(i);
  }
  for (std::size_t under_way = buffers.size(); under_way > 0;) {
    peer::check(io_uring_submit_and_wait(r.get(), 1) >= 0, "io_uring_enter failed");
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(r.get(), &cqe) == 0) {
      peer::check(cqe->res >= 0, "read failed");
      const auto which = static_cast<std::size_t>(cqe->user_data);
      const auto n = static_cast<std::size_t>(cqe->res);
      io_uring_cqe_seen(r.get(), cqe);
      all += n;
      if (n == buffers[which].size())
        start(which);
      else
        --under_way;  // the end; the file's length is a multiple of the piece, so nothing lies behind a short read
    }
  }
  ::close(fd);
  return all;
}

enum step : std::uint64_t { opened, did_read, closed, steps };

std::uint64_t read_small(const std::vector<std::string>& paths) {
  ring r;
  peer::check(io_uring_register_files_sparse(r.get(), files_under_way) == 0, "no table of files");
  std::vector<char> buffers(files_under_way * small_buffer);
  std::size_t next = 0, ended = 0;
  std::uint64_t all = 0;
  const auto start = [&](unsigned slot) {
    io_uring_sqe* sqe = io_uring_get_sqe(r.get());
    io_uring_prep_openat_direct(sqe, AT_FDCWD, paths[next++].c_str(), O_RDONLY, 0, slot);
    sqe->flags |= IOSQE_IO_LINK;
    io_uring_sqe_set_data64(sqe, slot * steps + opened);
    sqe = io_uring_get_sqe(r.get());
    io_uring_prep_read(sqe, static_cast<int>(slot), &buffers[slot * small_buffer], small_buffer, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK;
    io_uring_sqe_set_data64(sqe, slot * steps + did_read);
    sqe = io_uring_get_sqe(r.get());
    io_uring_prep_close_direct(sqe, slot);
    io_uring_sqe_set_data64(sqe, slot * steps + closed);
  };
  for (unsigned slot = 0; slot < files_under_way && next < paths.size(); ++slot) start(slot);
  while (ended < paths.size()) {
    peer::check(io_uring_submit_and_wait(r.get(), 1) >= 0, "io_uring_enter failed");
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(r.get(), &cqe) == 0) {
      peer::check(cqe->res >= 0, "a request failed");
      const std::uint64_t at = cqe->user_data % steps, slot = cqe->user_data / steps;
      if (at == did_read) all += static_cast<std::uint64_t>(cqe->res);
      io_uring_cqe_seen(r.get(), cqe);
      if (at != closed) continue;
      ++ended;
      if (next < paths.size()) start(static_cast<unsigned>(slot));
    }
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
  if (args.threads != 1) peer::fail("liburing: one thread only");
  if (!peer::run_file_workload(args, read_sequential, read_small)) peer::fail("unknown workload " + args.workload);
}
