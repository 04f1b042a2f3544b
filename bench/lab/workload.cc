// The list of all workloads, and what a run may ask of its context.
#include "workload.h"

namespace weft_lab {

int64_t context::operator[](std::string_view name) const {
  for (const auto& [known, value] : parameters_)
    if (known == name) return value;
  throw std::logic_error("the workload asks for a parameter that it does not declare: " + std::string(name));
}

const std::vector<const workload*>& all_workloads() {
  static const std::vector<const workload*> all = [] {
    std::vector<const workload*> list;
    for (const std::span<const workload> file : {message_workloads(), fork_workloads(), replay_workloads()})
      for (const workload& one : file) list.push_back(&one);
    return list;
  }();
  return all;
}

const workload* find_workload(std::string_view name) {
  for (const workload* one : all_workloads())
    if (one->name == name) return one;
  return nullptr;
}

}  // namespace weft_lab
