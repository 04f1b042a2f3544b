// One connection: reads requests, one after the other, and answers them, until either side has had enough.
//
// It is a plain loop. Nothing in it looks at the time: each step renews a lease (lease.h), and whoever takes that away,
// because a time is over or the server ends, closes the socket; the operation under way then fails, and the loop ends.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include <weft/task.h>
#include <weft/tcp.h>

#include "answer.h"
#include "arguments.h"
#include "connection_list.h"
#include "file_store.h"
#include "lease.h"
#include "request.h"

namespace httpd {

class connection {
 public:
  connection(const arguments& args, file_store& files, connection_list& list, weft::tcp_stream socket);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  weft::task<> run();

 private:
  friend class connection_list;

  enum class received : uint8_t { request, refused, nothing };

  weft::task<received> read_request();
  weft::task<answer> find_answer(const request& r);
  weft::task<answer> answer_with_index(const std::string& path, const node_ref& directory, const request& r);
  weft::task<bool> send(const answer& a, bool with_body, bool keep_alive, bool old_client);
  weft::task<absl::Status> send_file(const answer& a);
  weft::task<> linger();
  [[nodiscard]] bool wait_for_request() noexcept;
  [[nodiscard]] bool renew(std::chrono::milliseconds time) noexcept {
    return lease_.renew(coarse_now_ns() + std::chrono::nanoseconds(time).count(), lease::state::busy);
  }

  const arguments& args_;
  file_store& files_;
  connection_list& list_;
  weft::tcp_stream socket_;
  lease lease_;
  live_tally done_;
  connection* next_ = nullptr;  // in the list, guarded by its lock
  connection* previous_ = nullptr;

  request_parser parser_;
  std::string_view held_;  // what came and is not parsed yet, within buffer_
  std::array<std::byte, 2048> buffer_;
  std::string head_;
  bool served_ = false;
};

}  // namespace httpd
