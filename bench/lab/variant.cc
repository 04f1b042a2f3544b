// Variants from what was typed.
#include "variant.h"

#include <algorithm>

#include "values.h"

namespace weft_lab {

namespace {

const parameter* find_parameter(const workload& work, std::string_view name) {
  const auto found = std::ranges::find(work.parameters, name, &parameter::name);
  return found == work.parameters.end() ? nullptr : &*found;
}

// A parameter that is 0 or 1 is a switch, and may be typed as one.
absl::StatusOr<int64_t> parse_parameter(const parameter& p, std::string_view text) {
  if (p.least == 0 && p.most == 1 && (text == "on" || text == "off")) return text == "on" ? 1 : 0;
  return parse_number("--" + std::string(p.name), text, p.least, p.most);
}

absl::Status unknown_option(const workload& work, std::string_view name) {
  std::string message =
      "there is no option '--" + std::string(name) + "'; workload '" + std::string(work.name) + "' has";
  for (const parameter& p : work.parameters) message += " --" + std::string(p.name);
  if (work.parameters.empty()) message += " no parameters";
  message += "; the choices are";
  for (const choice& c : all_choices()) message += " --" + c.name;
  return absl::InvalidArgumentError(message);
}

}  // namespace

std::string variant::text() const {
  if (work == nullptr) return program;
  std::string text(work->name);
  if (!trace.empty()) {
    text += " " + trace;
    if (volume != 1) {
      char number[40];
      std::snprintf(number, sizeof number, " --volume=%g", volume);
      text += number;
    }
  }
  for (const auto& [name, value] : given) text += " --" + name + "=" + value;
  return text;
}

absl::StatusOr<variant> variant_of(std::string_view workload_name) {
  variant v;
  v.work = find_workload(workload_name);
  if (v.work != nullptr) return v;
  std::string message = "there is no workload '" + std::string(workload_name) + "'; there are:";
  for (const workload* w : all_workloads()) message += " " + std::string(w->name);
  return absl::InvalidArgumentError(message);
}

absl::Status assign(variant& v, std::string_view name, std::string_view value) {
  if (const parameter* p = find_parameter(*v.work, name)) {
    if (absl::StatusOr<int64_t> number = parse_parameter(*p, value); !number.ok()) return number.status();
  } else if (const choice* c = find_choice(name)) {
    settings tried;
    if (absl::Status s = c->set(value, tried); !s.ok()) return s;
  } else {
    return unknown_option(*v.work, name);
  }
  std::erase_if(v.given, [&](const auto& one) { return one.first == name; });
  v.given.emplace_back(name, value);
  return absl::OkStatus();
}

settings settings_of(const variant& v) {
  settings s;
  for (const auto& [name, value] : v.given)
    // assign() has tried it already.
    if (const choice* c = find_choice(name)) c->set(value, s).IgnoreError();
  return s;
}

context::parameter_values parameters_of(const variant& v) {
  context::parameter_values values;
  for (const parameter& p : v.work->parameters) {
    int64_t value = p.preset;
    for (const auto& [name, text] : v.given)
      if (name == p.name) value = parse_parameter(p, text).value_or(value);
    values.emplace_back(p.name, value);
  }
  return values;
}

}  // namespace weft_lab
