// The fork-join workloads that all runtimes are measured with: sizes, results, and the part of the work that is not the
// runtime's. Header only; used by weft's benchmarks and by the peers.
//
//   skynet   a tree of fan-out 10 with 10,000,000 leaves; a leaf returns its number, a node the sum
//   nqueens  all solutions of 13 queens; a node is a call for a placement of the first rows without conflict
//   matmul   2048 x 2048 floats, halved down to 32 x 32; each node makes two rounds of four calls
//   uts      unbalanced tree search: a binomial tree like T3 of the UTS benchmark (2,000 children at the root, then 8
//            with a probability a little below 1/8), but with a cheaper hash (splitmix64) instead of SHA-1, so that the
//            runtime shows
//   parfor   a loop whose body only keeps its index from being optimised away
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace peer {

// --- skynet ----------------------------------------------------------------------------------------------------------

constexpr std::int64_t skynet_leaves = 10'000'000;
constexpr std::int64_t skynet_sum = skynet_leaves * (skynet_leaves - 1) / 2;
/// Leaves and the nodes above them: 10^7 + 10^6 + ... + 1.
constexpr std::int64_t skynet_tasks = 11'111'111;

// --- nqueens ---------------------------------------------------------------------------------------------------------

constexpr int queens = 13;
constexpr int queens_solutions = 73'712;
constexpr std::int64_t queens_nodes = 4'674'890;

using queens_board = std::array<char, queens>;

/// Whether a queen at (row, column) is taken by none of the rows before.
inline bool queen_fits(const queens_board& board, int row, int column) {
  for (int r = 0; r < row; ++r) {
    const int other = board[static_cast<std::size_t>(r)];
    if (other == column || other == column - (row - r) || other == column + (row - r)) return false;
  }
  return true;
}

/// The search by one thread.
inline int queens_serial(int row, queens_board board) {
  if (row == queens) return 1;
  int solutions = 0;
  for (int column = 0; column < queens; ++column) {
    if (!queen_fits(board, row, column)) continue;
    board[static_cast<std::size_t>(row)] = static_cast<char>(column);
    solutions += queens_serial(row + 1, board);
  }
  return solutions;
}

// --- matmul ----------------------------------------------------------------------------------------------------------

constexpr int matrix_size = 2048;
constexpr int matrix_base = 32;

/// c += a * b for n x n parts of matrices of matrix_size.
inline void matmul_base(const float* __restrict a, const float* __restrict b, float* __restrict c, int n) {
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < n; ++k)
      for (int j = 0; j < n; ++j) c[i * matrix_size + j] += a[i * matrix_size + k] * b[k * matrix_size + j];
}

/// Two matrices of ones, and one for their product, whose elements then all are matrix_size.
struct matrices {
  std::vector<float> a = std::vector<float>(std::size_t{matrix_size} * matrix_size, 1.0F);
  std::vector<float> b = a;
  std::vector<float> c = std::vector<float>(a.size());

  bool product_is_right() const {
    for (const float x : c)
      if (x != float{matrix_size}) return false;
    return true;
  }
};

// --- uts -------------------------------------------------------------------------------------------------------------

constexpr std::size_t uts_root_children = 2'000;
constexpr std::size_t uts_most_children = 8;
constexpr std::uint64_t uts_seed = 81;
constexpr std::int64_t uts_nodes = 4'147'793;
/// 0.124875 of 2^64: 8 children with this probability is a little less than one on average, so the tree ends.
constexpr std::uint64_t uts_threshold = static_cast<std::uint64_t>(0.124875 * 18446744073709551616.0);

/// The state of child i: splitmix64 of the parent's state and i.
inline std::uint64_t uts_child(std::uint64_t state, std::size_t i) {
  std::uint64_t z = state + 0x9e3779b97f4a7c15ULL * (i + 1);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

inline std::size_t uts_children(std::uint64_t state) { return state < uts_threshold ? uts_most_children : 0; }

/// The number of nodes at and below one with this state and number of children, counted by one thread.
inline std::int64_t uts_serial(std::uint64_t state, std::size_t children) {
  std::int64_t nodes = 1;
  for (std::size_t i = 0; i < children; ++i) {
    const std::uint64_t child = uts_child(state, i);
    nodes += uts_serial(child, uts_children(child));
  }
  return nodes;
}

// --- parfor ----------------------------------------------------------------------------------------------------------

constexpr std::int64_t parfor_iterations = 100'000'000;

/// Keeps a value from being optimised away.
template <class T>
inline void keep(T value) {
  asm volatile("" : : "r"(value));
}

}  // namespace peer
