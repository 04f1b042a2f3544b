// The loops of the stages.
#include "stages.h"

#include <optional>
#include <string_view>

#include <weft/blocking.h>

#include "changelog.h"
#include "inflater.h"
#include "input.h"

namespace gzstat {

// What is shared -----------------------------------------------------------------------------------------------------

namespace {

// Blocks that are kept for reuse: as many as a busy stage has in its hands.
std::size_t spares(int workers) { return static_cast<std::size_t>(workers) * 4 + 16; }

}  // namespace

run_state::run_state(const arguments& arguments, int processors)
    : args(arguments),
      read(args.read.value_or(processors)),
      inflate(args.inflate.value_or(processors)),
      parse(args.parse.value_or(processors)),
      compressed(args.block_bytes, spares(read)),
      text(args.block_bytes, spares(inflate)) {}

void run_state::add_problem(problem what) {
  ++bad;
  if (problems.size() < problems_named_max) problems.push_back(std::move(what));
}

weft::task<> complain(run_state& run, std::string path, absl::Status why, weft::channel<result> results) {
  problem what(std::move(path), std::string(why.message()));
  if (!run.args.keep_going) throw input_error(std::move(what));
  (void)co_await results.send(result(std::move(what)));
}

// Streams ------------------------------------------------------------------------------------------------------------

weft::task<block_ptr> stream::next() {
  if (first_ != nullptr) co_return std::move(first_);
  std::optional<block_ptr> b = co_await rest_.receive();
  co_return b ? std::move(*b) : block_ptr();
}

stream_writer::~stream_writer() {
  if (rest_) rest_.close();
  // relaxed: a count, read after the tasks have been waited for.
  run_.handed.fetch_add(sent_, std::memory_order_relaxed);
}

weft::task<bool> stream_writer::send(block_ptr b) {
  ++sent_;
  if (sent_ > 1) co_return co_await rest_.send(std::move(b));
  if (!b->last()) rest_ = weft::channel<block_ptr>(blocks_ahead);
  co_return co_await to_.send(stream(file_, std::move(b), rest_));
}

// Reading ------------------------------------------------------------------------------------------------------------

namespace {

// An input whose calls run here, or on the blocking pool: then a disk that makes us wait holds up no processor, for two
// changes of threads a call.
class reader {
 public:
  explicit reader(bool on_threads) : on_threads_(on_threads) {}

  // Opens the file and reads its first block: the only call for most files.
  weft::task<absl::Status> open(file& f, block& first) {
    const auto call = [this, &f, &first] { return open_here(f, first); };
    if (on_threads_) co_return co_await weft::blocking(call);
    co_return call();
  }

  weft::task<absl::Status> fill(block& b) {
    const auto call = [this, &b] { return input_->fill(b); };
    if (on_threads_) co_return co_await weft::blocking(call);
    co_return call();
  }

  void close() { input_.reset(); }

 private:
  absl::Status open_here(file& f, block& first) {
    absl::StatusOr<input> opened = input::open(f.path());
    if (!opened.ok()) return opened.status();
    f.compressed_bytes = opened->size();
    input_.emplace(*std::move(opened));
    return input_->fill(first);
  }

  bool on_threads_;
  std::optional<input> input_;
};

// Sends the file block by block. Its status; that of a file that nobody wants any more is good.
weft::task<absl::Status> read_file(run_state& run, reader& r, const file_ptr& f, const weft::channel<stream>& out) {
  stream_writer writer(run, f, out);
  block_ptr b = run.compressed.take();
  absl::Status status = co_await r.open(*f, *b);
  while (status.ok()) {
    const bool last = b->last();
    const bool wanted = co_await writer.send(std::move(b));
    if (last || !wanted) break;
    b = run.compressed.take();
    status = co_await r.fill(*b);
  }
  r.close();
  co_return status;
}

}  // namespace

weft::task<> read_files(run_state& run, weft::channel<file_ptr> in, weft::channel<stream> out,
                        weft::channel<result> results) {
  reader r(run.args.read_threads);
  while (std::optional<file_ptr> f = co_await in.receive()) {
    (*f)->reach(place::reading);
    const absl::Status status = co_await read_file(run, r, *f, out);
    if (status.ok()) continue;
    (*f)->fail();
    co_await complain(run, (*f)->path(), status, results);
  }
}

// Inflating ----------------------------------------------------------------------------------------------------------

namespace {

weft::task<absl::Status> inflate_file(run_state& run, inflater& z, stream& compressed,
                                      const weft::channel<stream>& out) {
  stream_writer writer(run, compressed.source(), out);
  block_ptr text = run.text.take();
  z.begin();
  while (block_ptr b = co_await compressed.next()) {
    z.feed(*b);
    for (;;) {
      const absl::StatusOr<inflater::progress> p = z.step(*text);
      if (!p.ok()) co_return p.status();
      if (*p == inflater::progress::hungry) break;
      const bool end = *p == inflater::progress::end;
      if (end) {
        text->set_last();
        compressed.source()->members = z.members();
      }
      const bool wanted = co_await writer.send(std::move(text));
      if (end || !wanted) co_return absl::OkStatus();
      text = run.text.take();
    }
  }
  co_return absl::OkStatus();
}

}  // namespace

weft::task<> inflate_files(run_state& run, weft::channel<stream> in, weft::channel<stream> out,
                           weft::channel<result> results) {
  inflater z;
  while (std::optional<stream> compressed = co_await in.receive()) {
    const file_ptr f = compressed->source();
    f->reach(place::inflating);
    const absl::Status status = co_await inflate_file(run, z, *compressed, out);
    compressed.reset();
    if (status.ok()) continue;
    f->fail();
    co_await complain(run, f->path(), status, results);
  }
}

weft::task<> pass_on(run_state& run, weft::channel<stream> in, weft::channel<stream> out) {
  for (;;) {
    std::optional<stream> from = co_await in.receive();
    if (!from) co_return;
    stream_writer to(run, from->source(), out);
    while (block_ptr b = co_await from->next()) {
      const bool last = b->last();
      const bool wanted = co_await to.send(std::move(b));
      if (last || !wanted) break;
    }
  }
}

// Parsing and reducing -----------------------------------------------------------------------------------------------

weft::task<> parse_texts(run_state& run, weft::channel<stream> in, weft::channel<result> results) {
  text_reader reader;
  uint64_t sent = 0;
  while (std::optional<stream> text = co_await in.receive()) {
    text->source()->reach(place::parsing);
    tally found;
    reader.begin();
    while (block_ptr b = co_await text->next()) {
      reader.read(b->bytes(), found);
      if (!b->last()) continue;
      reader.end(found);
      text->source()->reach(place::reducing);
      ++sent;
      (void)co_await results.send(result(text->source(), std::move(found)));
      break;
    }
  }
  // relaxed: a count, read after the tasks have been waited for.
  run.handed.fetch_add(sent, std::memory_order_relaxed);
}

weft::task<> reduce(run_state& run, weft::channel<result> results) {
  tally total;
  while (std::optional<result> r = co_await results.receive()) {
    if (r->source() == nullptr) {
      run.add_problem(std::move(r->trouble()));
      continue;
    }
    file& f = *r->source();
    total.add(r->found());
    total.files += 1;
    total.members += f.members;
    total.compressed_bytes += f.compressed_bytes;
    f.reach(place::done);
  }
  run.total = std::move(total);
}

}  // namespace gzstat
