// A program of a user's that weft-lab compares with itself: snapshot_program CAPACITY.
//
// Sends values through a channel of that capacity, then tells weft-lab what its runtime did, as docs/lab.md says.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/metrics.h>
#include <weft/metrics_export.h>
#include <weft/runtime.h>
#include <weft/task.h>

namespace {

constexpr uint64_t count = 2000;

weft::task<> produce(weft::channel<uint64_t> out) {
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await out.send(i);
    if (!sent) break;
  }
  out.close();
}

weft::task<uint64_t> consume(std::size_t capacity) {
  const weft::channel<uint64_t> values(capacity);
  auto producing = weft::spawn(produce, values);
  uint64_t sum = 0;
  for (;;) {
    const std::optional<uint64_t> value = co_await values.receive();
    if (!value) break;
    sum += *value;
  }
  co_await producing;
  co_return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto opts = weft::options::from_env();
  if (!opts.ok()) return 1;
  opts->processors = 1;
  auto made = weft::runtime::create(*opts);
  if (!made.ok()) return 1;
  const std::unique_ptr<weft::runtime> rt = *std::move(made);
  const uint64_t sum = rt->run(consume, static_cast<std::size_t>(std::atoi(argv[1])));
  if (sum != count * (count - 1) / 2) return 1;
  const char* path = std::getenv("WEFT_LAB_SNAPSHOT");
  if (path == nullptr) return 1;
  std::ofstream file(path);
  file << weft::metrics::to_json(weft::metrics::snapshot(*rt)) << "\n";
  const auto start = std::chrono::steady_clock::now();
  const weft::shutdown_report report = rt->shutdown(std::chrono::seconds(5));
  const std::chrono::nanoseconds drained = std::chrono::steady_clock::now() - start;
  file << "{\"operations\": " << count << ", \"drain_ns\": " << drained.count()
       << ", \"stragglers\": " << report.stragglers.size() << "}\n";
  return report.clean() ? 0 : 1;
}
