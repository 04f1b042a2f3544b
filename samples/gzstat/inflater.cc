// Drives zlib's inflate() through members, padding and the borders of blocks.
#include "inflater.h"

#include <new>
#include <span>
#include <string>

namespace gzstat {
namespace {

constexpr int gzip_only = 16 + MAX_WBITS;

absl::Status damaged(const std::string& why) { return absl::DataLossError(why); }

}  // namespace

inflater::inflater() {
  if (::inflateInit2(&z_, gzip_only) != Z_OK) throw std::bad_alloc();
}

inflater::~inflater() { ::inflateEnd(&z_); }

void inflater::begin() noexcept {
  members_ = 0;
  between_members_ = true;
  padded_ = false;
  last_ = false;
  z_.next_in = nullptr;
  z_.avail_in = 0;
}

void inflater::feed(const block& compressed) noexcept {
  const std::span<const char> bytes = compressed.bytes();
  z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write there
  z_.avail_in = static_cast<uInt>(bytes.size());
  last_ = compressed.last();
}

absl::StatusOr<inflater::progress> inflater::step(block& text) {
  for (;;) {
    if (between_members_) {
      absl::StatusOr<progress> p = skip_padding();
      if (!p.ok() || *p != progress::full) return p;
      ::inflateReset(&z_);
      between_members_ = false;
    }
    const std::span<char> room = text.room();
    if (room.empty()) return progress::full;
    z_.next_out = reinterpret_cast<Bytef*>(room.data());
    z_.avail_out = static_cast<uInt>(room.size());
    const int result = ::inflate(&z_, Z_NO_FLUSH);
    text.add(room.size() - z_.avail_out);
    if (result == Z_STREAM_END) {
      ++members_;
      between_members_ = true;
      continue;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) return problem(result);
    if (z_.avail_out == 0) return progress::full;
    if (z_.avail_in != 0) continue;
    if (last_) return damaged("truncated: the file ends within its compressed data");
    return progress::hungry;
  }
}

// Between members. `full` means that another member begins here.
absl::StatusOr<inflater::progress> inflater::skip_padding() noexcept {
  while (members_ != 0 && z_.avail_in != 0 && *z_.next_in == 0) {
    padded_ = true;
    ++z_.next_in;
    --z_.avail_in;
  }
  if (z_.avail_in == 0) {
    if (!last_) return progress::hungry;
    if (members_ == 0) return damaged("the file is empty, which no .gz file is");
    return progress::end;
  }
  if (padded_) return damaged("there is something else behind the compressed data");
  return progress::full;
}

absl::Status inflater::problem(int result) const {
  const std::string why = z_.msg != nullptr ? z_.msg : result == Z_MEM_ERROR ? "out of memory" : "damaged data";
  if (why != "incorrect header check") return damaged("damaged: " + why);
  return damaged(members_ == 0 ? "not in gzip format" : "there is something else behind the compressed data");
}

}  // namespace gzstat
