// See weft/file.h.
//
// Protocol [owned], of an operation whose task may leave before the kernel is done with the buffer:
//   D1 the caller tries without waiting; done: no more steps.
//   D2 under the descriptor's lock it duplicates the descriptor, so that closing this one, or destroying it, concerns
//      the operation no more. D3 it starts a task, the keeper, which owns the duplicate and the buffer and does the
//      operation by [io], and waits for it in a select, which a stop ends at once.
//   D4 the keeper returns the result, with the buffer. D5 left alone, it is asked to stop, and ends only after the
//      terminal completion (C2 of [io]), or with the runtime, which waits for that too: the buffer and the duplicate go
//      with it. The pool cannot be stopped, so there the keeper ends when the call does.
//
// Protocol [arm], of a read or a sync as an arm of a select:
//   A1 when the arm is tried (X1 of [select]) the operation is tried without waiting. Done: no more steps.
//   A2 when the select is about to wait, no lock held, a keeper is started as by D2 and D3, which reads into a buffer
//      of its own, and where the file stands now. A3 the arm waits for the keeper's end, as a join handle does.
//   A4 if that arm is chosen, what was read is copied, and the position moved. A5 the awaiter goes: the keeper is asked
//      to stop, and ends as in D5.
//   The operation is in the descriptor's list from A1 on, so the number stays the same until A4.
//
// Rejected: a list of orphaned operations in the engine. It would need a second owner for buffers and descriptors, and
// a task is both.
#include <weft/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include <weft/blocking.h>
#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/this_task.h>

#include "io/engine.h"
#include "io/io_error.h"
#include "os/file_system.h"

namespace weft {

namespace detail {

namespace {

absl::Status file_error(std::string_view operation, const descriptor& on, int32_t result) {
  return io_error(operation, "descriptor " + std::to_string(on.fd()), result);
}

/// Waits for an operation on a path; gives what the system call would have returned, or -errno.
class [[nodiscard]] path_awaiter {
 public:
  path_awaiter(const io_request& request, std::source_location where) noexcept : op_(request, true), where_(where) {}
  path_awaiter(const path_awaiter&) = delete;
  path_awaiter& operator=(const path_awaiter&) = delete;
  ~path_awaiter() {
    if (!taken_) drop_io(op_, nullptr);
  }
  bool await_ready() noexcept { return try_in_caches(op_, nullptr); }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(park_io(op_, nullptr, leaf, where_));
  }
  int32_t await_resume() noexcept {
    taken_ = true;
    return op_.outcome();
  }

 private:
  io_operation op_;
  bool taken_ = false;
  std::source_location where_;
};

int32_t raw_result(const descriptor&, int32_t result) { return result; }
using raw_awaiter = io_awaiter<int32_t, &raw_result>;

}  // namespace

namespace {

struct kept {
  int32_t result;
  std::unique_ptr<std::byte[]> bytes;
};

// D3; an error is one of D2.
task<kept> keep(file on, io_request request, int32_t error) {
  kept k{error, nullptr};
  if (error < 0) co_return std::move(k);
  request.fd = on.fd();
  if (request.op == io_op::read) {
    k.bytes.reset(new (std::nothrow) std::byte[request.length]);
    if (k.bytes == nullptr) co_return kept{-ENOMEM, nullptr};
    request.address = reinterpret_cast<uint64_t>(k.bytes.get());
  }
  raw_awaiter doing(on, request, std::source_location::current(), true);
  k.result = co_await doing;
  co_return std::move(k);
}

}  // namespace

struct file_keeper {
  explicit file_keeper(join_handle<kept> h) noexcept : handle(std::move(h)), wait(handle.join()) {}
  join_handle<kept> handle;
  join_handle_awaiter<kept> wait;
};

file_keeper* begin_keeper(const io_operation& op) noexcept {
  io_request request = op.request;
  if (this_context.proc == nullptr || (request.op != io_op::read && request.op != io_op::fsync)) return nullptr;
  if (request.op == io_op::read && request.offset == where_it_stands) {
    const int64_t at = kernel().move_position(request.fd, 0);
    if (at < 0) return nullptr;
    request.offset = static_cast<uint64_t>(at);
  }
  const int fd = kernel().duplicate(request.fd);
  join_handle<kept> started = spawn(keep, file(std::max(fd, -1)), request, std::min(fd, 0));
  return started.valid() ? new file_keeper(std::move(started)) : nullptr;
}

biased_lock* keeper_lock(file_keeper& k) noexcept { return k.wait.arm_lock(); }
bool keeper_is_done(file_keeper& k) noexcept { return k.handle.done(); }
bool keeper_enqueue(file_keeper& k) noexcept { return k.wait.arm_enqueue(); }
waiter& keeper_waiter(file_keeper& k) noexcept { return k.wait.arm_waiter(); }

void keeper_leave(file_keeper& k) noexcept {
  waiter_chain nobody;
  k.wait.arm_leave(nobody);
}

void take_from_keeper(file_keeper& k, io_operation& op) {
  if (op.result != -EAGAIN) return;  // A1 did it
  const kept done = k.wait.await_resume();
  op.result = done.result;
  if (done.bytes == nullptr || done.result <= 0) return;
  std::memcpy(reinterpret_cast<void*>(op.request.address), done.bytes.get(), static_cast<std::size_t>(done.result));
  if (op.request.offset == where_it_stands) static_cast<void>(kernel().move_position(op.request.fd, done.result));
}

void drop_keeper(file_keeper* k) noexcept {
  k->handle.request_stop();
  delete k;
}

absl::StatusOr<std::size_t> finish_file_read(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return file_error("read from", on, result);
  return static_cast<std::size_t>(result);
}

absl::StatusOr<std::size_t> finish_file_write(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return file_error("write to", on, result);
  return static_cast<std::size_t>(result);
}

absl::Status finish_sync(const descriptor& on, int32_t result) {
  return result < 0 ? file_error("sync", on, result) : absl::OkStatus();
}

}  // namespace detail

namespace {

using detail::io_op;
using detail::io_request;

using detail::where_it_stands;

constexpr std::size_t most_vectors = 1024;

bool has(open_mode mode, open_mode flag) noexcept {
  return (static_cast<uint32_t>(mode) & static_cast<uint32_t>(flag)) != 0;
}

uint64_t address_of(const void* p) noexcept { return reinterpret_cast<uint64_t>(p); }

io_request transfer_request(io_op op, int fd, const void* data, std::size_t bytes, uint64_t offset) noexcept {
  return {.op = op, .fd = fd, .length = detail::length_of(bytes), .address = address_of(data), .offset = offset};
}

io_request sync_request(int fd, bool data_only) noexcept {
  return {.op = io_op::fsync, .fd = fd, .flags = data_only ? 1u : 0u};
}

file_figures to_figures(const os::stat_buffer& buffer) noexcept {
  const os::stat_figures s = os::read_stat(buffer);
  return {static_cast<file_kind>(s.kind), s.bytes, s.permissions,
          std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
              std::chrono::nanoseconds(s.modified_ns)))};
}

// D3: the keepers.
task<absl::StatusOr<std::vector<std::byte>>> keep_reading(file from, std::vector<std::byte> buffer, uint64_t offset) {
  const absl::StatusOr<std::size_t> n = co_await from.read_at(buffer, offset);
  if (!n.ok()) co_return n.status();
  buffer.resize(*n);
  co_return std::move(buffer);
}

task<absl::StatusOr<std::size_t>> keep_writing(file to, std::vector<std::byte> data, uint64_t offset) {
  co_return co_await to.write_at(data, offset);
}

// D2. Negative: -errno.
int duplicate(file& f) noexcept {
  detail::biased_guard guard(f.lock());
  return f.is_open() ? detail::kernel().duplicate(f.fd()) : -EBADF;
}

absl::Status left(const char* operation) {
  return absl::CancelledError(std::string(operation) + ": the task was asked to stop");
}

// Spans lie in memory as iovecs do: a pointer and a size.
static_assert(sizeof(mutable_buffer) == 16 && sizeof(const_buffer) == 16);

}  // namespace

task<absl::StatusOr<file>> file::open(detail::path_argument path, open_mode mode) {
  io_request request{.op = io_op::open,
                     .fd = os::this_directory,
                     .length = os::new_file_mode,
                     .flags = os::open_flags(has(mode, open_mode::read), has(mode, open_mode::write),
                                             has(mode, open_mode::append), has(mode, open_mode::create),
                                             has(mode, open_mode::truncate), has(mode, open_mode::exclusive)),
                     .address = address_of(path.c_str())};
  detail::path_awaiter opening(request, std::source_location::current());
  int32_t fd = co_await opening;
  if (fd == -EAGAIN) {  // another process has a lease on it, and was told to give it back
    request.flags &= ~os::do_not_wait_flag;
    detail::path_awaiter waiting(request, std::source_location::current());
    fd = co_await waiting;
  }
  if (fd < 0) co_return detail::io_error("open", path.view(), fd);
  co_return file(fd, *detail::this_context.locks);
}

file::read_awaiter file::read_at(std::span<std::byte> buffer, uint64_t offset, std::source_location where) noexcept {
  return read_awaiter(*this, transfer_request(io_op::read, fd(), buffer.data(), buffer.size(), offset), where);
}

file::write_awaiter file::write_at(std::span<const std::byte> data, uint64_t offset,
                                   std::source_location where) noexcept {
  return write_awaiter(*this, transfer_request(io_op::write, fd(), data.data(), data.size(), offset), where);
}

file::read_awaiter file::read_some(std::span<std::byte> buffer, std::source_location where) noexcept {
  return read_at(buffer, where_it_stands, where);
}

file::write_awaiter file::write_some(std::span<const std::byte> data, std::source_location where) noexcept {
  return write_at(data, where_it_stands, where);
}

task<absl::Status> file::read_exactly_at(std::span<std::byte> buffer, uint64_t offset) {
  while (!buffer.empty()) {
    absl::StatusOr<std::size_t> n = co_await read_at(buffer, offset);
    if (!n.ok()) co_return n.status();
    if (*n == 0)
      co_return absl::OutOfRangeError("read: the file ends at byte " + std::to_string(offset) + ", with " +
                                      std::to_string(buffer.size()) + " bytes still to come");
    buffer = buffer.subspan(*n);
    offset += *n;
  }
  co_return absl::OkStatus();
}

task<absl::Status> file::write_all_at(std::span<const std::byte> data, uint64_t offset) {
  while (!data.empty()) {
    absl::StatusOr<std::size_t> n = co_await write_at(data, offset);
    if (!n.ok()) co_return n.status();
    data = data.subspan(*n);
    if (offset != where_it_stands) offset += *n;
  }
  co_return absl::OkStatus();
}

task<absl::Status> file::write_all(std::span<const std::byte> data) {
  co_return co_await write_all_at(data, where_it_stands);
}

task<absl::Status> file::write_all(std::string_view text) {
  co_return co_await write_all(std::as_bytes(std::span(text.data(), text.size())));
}

task<absl::StatusOr<std::size_t>> file::read_at(std::span<const mutable_buffer> buffers, uint64_t offset) {
  const io_request request{.op = io_op::readv,
                           .fd = fd(),
                           .length = static_cast<uint32_t>(std::min(buffers.size(), most_vectors)),
                           .address = address_of(buffers.data()),
                           .offset = offset};
  read_awaiter reading(*this, request, std::source_location::current());
  co_return co_await reading;
}

task<absl::StatusOr<std::size_t>> file::write_at(std::span<const const_buffer> buffers, uint64_t offset) {
  const io_request request{.op = io_op::writev,
                           .fd = fd(),
                           .length = static_cast<uint32_t>(std::min(buffers.size(), most_vectors)),
                           .address = address_of(buffers.data()),
                           .offset = offset};
  write_awaiter writing(*this, request, std::source_location::current());
  co_return co_await writing;
}

task<absl::StatusOr<std::vector<std::byte>>> file::read_owned_at(std::vector<std::byte> buffer, uint64_t offset) {
  detail::io_operation now(transfer_request(io_op::read, fd(), buffer.data(), buffer.size(), offset), true);
  const bool done = detail::try_file_now(now, this);  // D1
  remove(now);
  if (done) {
    const absl::StatusOr<std::size_t> n = detail::finish_file_read(*this, now.outcome());
    if (!n.ok()) co_return n.status();
    buffer.resize(*n);
    if (detail::this_context.budget <= 0) co_await yield();
    co_return std::move(buffer);
  }
  const int keeps = duplicate(*this);
  if (keeps < 0) co_return detail::file_error("read from", *this, keeps);
  join_handle<absl::StatusOr<std::vector<std::byte>>> keeper =
      spawn(keep_reading, file(keeps), std::move(buffer), offset);
  if (!keeper.valid()) co_return left("read");
  auto ended = co_await select(keeper);
  if (ended) co_return std::move(ended.get<0>());
  keeper.request_stop();  // D5
  co_return left("read");
}

task<absl::StatusOr<std::size_t>> file::write_owned_at(std::vector<std::byte> data, uint64_t offset) {
  const int keeps = duplicate(*this);
  if (keeps < 0) co_return detail::file_error("write to", *this, keeps);
  join_handle<absl::StatusOr<std::size_t>> keeper = spawn(keep_writing, file(keeps), std::move(data), offset);
  if (!keeper.valid()) co_return left("write");
  auto ended = co_await select(keeper);
  if (ended) co_return std::move(ended.get<0>());
  keeper.request_stop();  // D5
  co_return left("write");
}

file::sync_awaiter file::sync(std::source_location where) noexcept {
  return sync_awaiter(*this, sync_request(fd(), false), where);
}

file::sync_awaiter file::sync_data(std::source_location where) noexcept {
  return sync_awaiter(*this, sync_request(fd(), true), where);
}

task<absl::StatusOr<file_figures>> file::stat() {
  alignas(8) os::stat_buffer buffer;
  const io_request request{.op = io_op::statx,
                           .fd = fd(),
                           .length = os::basic_stats_mask,
                           .flags = os::empty_path_flag,
                           .address = address_of(""),
                           .address2 = address_of(buffer.data())};
  detail::raw_awaiter asking(*this, request, std::source_location::current(), true);
  const int32_t result = co_await asking;
  if (result < 0) co_return detail::file_error("stat", *this, result);
  co_return to_figures(buffer);
}

task<absl::StatusOr<file_figures>> stat_file(std::string path) {
  alignas(8) os::stat_buffer buffer;
  const io_request request{.op = io_op::statx,
                           .fd = os::this_directory,
                           .length = os::basic_stats_mask,
                           .address = address_of(path.c_str()),
                           .address2 = address_of(buffer.data())};
  detail::path_awaiter asking(request, std::source_location::current());
  const int32_t result = co_await asking;
  if (result < 0) co_return detail::io_error("stat", path, result);
  co_return to_figures(buffer);
}

namespace {

// The whole of a small file that is in the page cache. Not a coroutine: the buffer lies on the thread's stack, so
// nothing is cleared or allocated for what the file does not have.
bool read_small_now(file& f, std::string& content) {
  std::array<char, 16 * 1024> buffer;
  detail::io_operation op(transfer_request(io_op::read, f.fd(), buffer.data(), buffer.size(), 0), true);
  const bool done = detail::try_file_now(op, &f);
  f.remove(op);
  // One that fills the buffer may go on.
  if (!done || op.result <= 0 || op.outcome() == static_cast<int32_t>(buffer.size())) return false;
  content.assign(buffer.data(), static_cast<std::size_t>(op.outcome()));
  return true;
}

// How long the file was a moment ago, which is only a hint; 0 where that is not known.
std::size_t expected_bytes(const file& f) noexcept {
  alignas(8) os::stat_buffer buffer;
  const int32_t result = detail::kernel().do_now({.op = io_op::statx,
                                                  .fd = f.fd(),
                                                  .length = os::basic_stats_mask,
                                                  .flags = os::empty_path_flag | os::no_sync_flag,
                                                  .address = address_of(""),
                                                  .address2 = address_of(buffer.data())});
  return result < 0 ? 0 : static_cast<std::size_t>(os::read_stat(buffer).bytes);
}

}  // namespace

task<absl::StatusOr<std::string>> read_file(std::string path, std::size_t most_bytes) {
  absl::StatusOr<file> opened = co_await file::open(path);
  if (!opened.ok()) co_return opened.status();
  const auto too_long = [&] {
    return absl::ResourceExhaustedError("read " + path + ": longer than " + std::to_string(most_bytes) + " bytes");
  };
  std::string content;
  if (detail::is_read_worth_trying() && read_small_now(*opened, content)) {
    if (content.size() > most_bytes) co_return too_long();
    co_return content;
  }
  constexpr std::size_t least_room = 4096;
  constexpr std::size_t most_room = std::size_t{1} << 20;
  // One byte more, so that the end shows in the last read. What tells another length (as in /proc) is read until
  // nothing comes.
  const std::size_t told = expected_bytes(*opened);
  const std::size_t expected = std::min(told, most_bytes) + 1;
  content.reserve(expected);
  for (std::size_t used = 0;;) {
    const std::size_t room = std::clamp(expected > used ? expected - used : content.size(), least_room, most_room);
    content.resize(used + room);
    absl::StatusOr<std::size_t> n =
        co_await opened->read_at(std::as_writable_bytes(std::span(content)).subspan(used), used);
    if (!n.ok()) co_return n.status();
    used += *n;
    if (used > most_bytes) co_return too_long();
    content.resize(used);
    if (*n == 0 || (used == told && *n < room)) co_return content;
  }
}

task<absl::Status> write_file(std::string path, std::string_view content) {
  absl::StatusOr<file> opened =
      co_await file::open(std::move(path), open_mode::write | open_mode::create | open_mode::truncate);
  if (!opened.ok()) co_return opened.status();
  co_return co_await opened->write_all(content);
}

task<absl::StatusOr<std::vector<directory_entry>>> list_directory(std::string path, bool recursive) {
  os::system& sys = detail::kernel();
  std::vector<directory_entry> found;
  std::vector<std::string> ahead{std::move(path)};
  while (!ahead.empty()) {
    const std::string directory = std::move(ahead.back());
    ahead.pop_back();
    std::vector<os::node> nodes;
    int failed = 0;
    auto list = [&] { failed = sys.list_nodes(directory, nodes); };
    co_await blocking(list);
    if (failed < 0) co_return detail::io_error("list", directory, failed);
    for (os::node& n : nodes) {
      if (recursive && n.kind == os::node_kind::directory) ahead.push_back(n.path);
      found.push_back({std::move(n.path), static_cast<file_kind>(n.kind)});
    }
    if (this_task::stop_requested())
      co_return absl::CancelledError("list " + directory + ": the task was asked to stop");
  }
  std::sort(found.begin(), found.end(),
            [](const directory_entry& a, const directory_entry& b) { return a.path < b.path; });
  co_return found;
}

}  // namespace weft
