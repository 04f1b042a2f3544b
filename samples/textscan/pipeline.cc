// Starts the stages, connects them with channels, and adds up what they find.
//
//          file_batch              block                  tally
//   walk  ------------>  read_files  ------->  scan_blocks  ------->  reduce
//         <------------              <-------
//          empty again             empty again
//
// There are as many readers as jobs, each with a scanner of its own, so that the pieces of a file stay in their order.
// Every stage ends when its input is closed, and closes its output then; a stop looks the same to it.
#include "pipeline.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/join_handle.h>

#include "read.h"
#include "scan.h"
#include "walk.h"

namespace textscan {
namespace {

constexpr std::size_t batches_per_job = 16;
constexpr std::size_t blocks_per_job = 4;

// Closes the channel once every task that sends to it has ended.
weft::task<> close_after(std::vector<weft::join_handle<void>> senders, weft::channel<tally> tallies) {
  for (weft::join_handle<void>& sender : senders) {
    if (sender.valid()) co_await sender;
  }
  tallies.close();
}

weft::task<tally> reduce(weft::channel<tally> tallies, progress_line& progress) {
  tally total;
  while (std::optional<tally> some = co_await tallies.receive()) {
    total.add(std::move(*some));
    progress.show(total);
  }
  progress.clear();
  co_return total;
}

}  // namespace

weft::task<tally> scan_all(const arguments& args, int jobs, progress_line& progress) {
  const auto count = static_cast<std::size_t>(jobs);
  const auto make_block = [&args] { return std::make_unique<block>(args.block_bytes); };
  const circuit<file_batch> files(batches_per_job * count, std::make_unique<file_batch>);
  weft::channel<tally> tallies(blocks_per_job * count);

  std::vector<weft::join_handle<void>> senders;
  senders.push_back(weft::spawn(walk, std::cref(args), jobs, files, tallies));
  for (int i = 0; i < jobs; ++i) {
    const circuit<block> blocks(blocks_per_job, make_block);
    senders.push_back(weft::spawn(read_files, std::cref(args), files, blocks, tallies));
    senders.push_back(weft::spawn(scan_blocks, std::cref(args), blocks, tallies));
  }
  const weft::join_handle<void> closer = weft::spawn(close_after, std::move(senders), tallies);
  co_return co_await reduce(tallies, progress);
}

}  // namespace textscan
