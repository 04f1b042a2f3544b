// Operations of streams that own their buffers, for tasks that must leave at once when they are asked to stop.
//
// Each is the only arm of a select: it waits for readiness, which takes nothing and touches no buffer, and is done by a
// plain call when the descriptor is ready. So a task that is stopped leaves nothing behind but a poll, which the kernel
// is told to forget.
//
// Rejected: a keeper, as a file has ([owned] in file.cc). What it reads for a task that has left would be lost, and it
// costs a task and a duplicate of the descriptor. A file needs one because it has no readiness.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include <weft/select.h>
#include <weft/task.h>

namespace weft::detail {

template <auto Finish, class Stream>
task<absl::StatusOr<std::vector<std::byte>>> read_owned(Stream& from, std::vector<std::byte> buffer) {
  auto ended = co_await select(from.read_some(std::span(buffer)));
  const absl::StatusOr<std::size_t> n = ended ? std::move(ended.template get<0>()) : Finish(from, -ECANCELED);
  if (!n.ok()) co_return n.status();
  buffer.resize(*n);
  co_return std::move(buffer);
}

template <auto Finish, class Stream>
task<absl::StatusOr<std::size_t>> write_owned(Stream& to, std::vector<std::byte> data) {
  std::size_t written = 0;
  while (written < data.size()) {
    auto ended = co_await select(to.write_some(std::span(data).subspan(written)));
    if (!ended && written != 0) break;
    const absl::StatusOr<std::size_t> n = ended ? std::move(ended.template get<0>()) : Finish(to, -ECANCELED);
    if (!n.ok()) co_return n;
    written += *n;
  }
  co_return written;
}

}  // namespace weft::detail
