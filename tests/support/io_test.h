// A test that runs on both back ends, with a given number of processors (0: driven by the test's own thread).
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include <unistd.h>

#include <weft/weft.h>

#include "support/processors.h"

namespace weft::test {

class io_test : public ::testing::TestWithParam<std::tuple<io_backend, int>> {
 protected:
  template <class F, class... Args>
  auto run(F&& f, Args&&... args) {
    return rt_->run(std::forward<F>(f), std::forward<Args>(args)...);
  }

  runtime& rt() noexcept { return *rt_; }
  static io_backend backend() { return std::get<0>(GetParam()); }

  /// An empty directory that goes with the test.
  const std::string& directory() {
    if (directory_.empty()) {
      char name[] = "/tmp/weft_io_test_XXXXXX";
      directory_ = ::mkdtemp(name);
    }
    return directory_;
  }

  ~io_test() override {
    rt_.reset();
    if (!directory_.empty()) {
      const std::string command = "rm -rf '" + directory_ + "'";
      EXPECT_EQ(std::system(command.c_str()), 0);
    }
  }

 private:
  static std::unique_ptr<runtime> make() {
    options opts;
    opts.io = backend();
    opts.processors = std::get<1>(GetParam());
    return make_runtime(opts);
  }

  std::unique_ptr<runtime> rt_ = make();
  std::string directory_;
};

inline auto back_ends_and_processors() {
  return ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll), ::testing::Values(0, 1, 2, 8));
}

inline std::string io_test_name(const ::testing::TestParamInfo<std::tuple<io_backend, int>>& info) {
  const int n = std::get<1>(info.param);
  return std::string(std::get<0>(info.param) == io_backend::uring ? "Uring" : "Epoll") +
         (n == 0 ? "Hosted" : std::to_string(n) + "Processors");
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace weft::test
