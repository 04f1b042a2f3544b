// Peer benchmark: files by plain open(2), read(2) and close(2), on as many threads as are asked for.
//
// The large file is read by one thread. Run: ./peer_read_loop WORKLOAD THREADS, with the workloads of file_work.h.
#include <atomic>
#include <thread>

#include "file_work.h"

namespace {

std::uint64_t read_whole(const std::string& path, std::vector<char>& buffer) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  peer::check(fd >= 0, "open failed");
  std::uint64_t all = 0;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    peer::check(n >= 0, "read failed");
    if (n == 0) break;
    all += static_cast<std::uint64_t>(n);
  }
  ::close(fd);
  return all;
}

std::uint64_t read_all(const std::vector<std::string>& paths, int threads) {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    std::vector<char> buffer(64 * 1024);
    std::uint64_t mine = 0;
    for (std::size_t i; (i = next.fetch_add(1)) < paths.size();) mine += read_whole(paths[i], buffer);
    bytes += mine;
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
  const auto sequential = [](const std::string& path) {
    std::vector<char> buffer(peer::sequential_piece);
    return read_whole(path, buffer);
  };
  const auto small = [&](const std::vector<std::string>& paths) { return read_all(paths, args.threads); };
  if (!peer::run_file_workload(args, sequential, small)) peer::fail("unknown workload " + args.workload);
}
