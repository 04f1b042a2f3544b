// Runs interleaved rounds, and decides when they end.
#include "session.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace weft_lab {

namespace {

// How wide the widest interval is, in relation to its effect.
double widest(const session_result& s, const std::vector<std::string>& judged, const plan& p) {
  const std::vector<double> first = series(s.runs[0], judged[0]);
  double width = 0;
  if (s.runs.size() == 1) {
    const interval range = bootstrap_median(first, p.level, p.seed, 1000);
    width = (range.high - range.low) / median(first);
  }
  for (std::size_t side = 1; side < s.runs.size(); ++side) {
    const std::vector<double> other = series(s.runs[side], judged[side]);
    std::vector<double> ratios;
    for (std::size_t i = 0; i < other.size(); ++i) ratios.push_back(other[i] / first[i]);
    const interval range = bootstrap_median(ratios, p.level, p.seed, 1000);
    width = std::max(width, (range.high - range.low) / median(ratios));
  }
  return std::isfinite(width) ? width : std::numeric_limits<double>::infinity();
}

// One round; false: it ended the session, and what it had measured is thrown away.
bool run_round(source& from, std::size_t round, const plan& p, session_result& out, double done, double width) {
  const std::size_t sides = out.runs.size();
  std::vector<record> measured(sides);
  for (std::size_t i = 0; i < sides; ++i) {
    const std::size_t side = round % 2 == 0 ? i : sides - 1 - i;
    from.progress(round, side, done, width);
    absl::StatusOr<record> r = from.run(side, p.seed + round);
    if (from.interrupted()) {
      out.ended = ending::interrupted;
      return false;
    }
    if (!r.ok()) {
      out.ended = ending::failed;
      out.failure = r.status();
      return false;
    }
    measured[side] = *std::move(r);
  }
  for (std::size_t side = 0; side < sides; ++side) out.runs[side].push_back(std::move(measured[side]));
  return true;
}

}  // namespace

std::string_view to_string(ending e) {
  switch (e) {
    case ending::precise: return "the interval was narrow enough";
    case ending::out_of_time: return "the time was over";
    case ending::out_of_rounds: return "all rounds were done";
    case ending::interrupted: return "interrupted";
    case ending::failed: break;
  }
  return "a run failed";
}

std::vector<double> series(const std::vector<record>& runs, std::string_view name) {
  std::vector<double> values;
  for (const record& r : runs) values.push_back(figure(r, name));
  return values;
}

session_result run_session(source& from, std::size_t sides, const std::vector<std::string>& judged, const plan& p) {
  session_result out;
  out.runs.resize(sides);
  const std::chrono::nanoseconds start = from.now();
  double width = std::numeric_limits<double>::infinity();
  std::size_t next_look = p.least_rounds;
  for (std::size_t round = 0;; ++round) {
    const double time_gone = std::chrono::duration<double>(from.now() - start) / std::chrono::duration<double>(p.time);
    if (round >= p.least_rounds && width <= p.precision) {
      out.ended = ending::precise;
    } else if (round >= p.most_rounds) {
      out.ended = ending::out_of_rounds;
    } else if (time_gone >= 1) {
      out.ended = ending::out_of_time;
    } else {
      const double rounds_gone = static_cast<double>(round) / static_cast<double>(p.most_rounds);
      if (!run_round(from, round, p, out, std::max(time_gone, rounds_gone), width)) return out;
      // Looking at every tenth more is enough, and the fewer looks the fewer accidents.
      if (round + 1 >= next_look) {
        width = widest(out, judged, p);
        next_look = round + 2 + round / 10;
      }
      continue;
    }
    return out;
  }
}

}  // namespace weft_lab
