// Axes, ticks, lines and dots.
#include "plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace weft_lab {

namespace {

constexpr double width = 640;
constexpr double height = 340;
constexpr double left = 78;
constexpr double right = 16;
constexpr double top = 34;
constexpr double bottom = 52;
// Told apart by people who do not see red and green apart, too.
constexpr std::array<const char*, 8> colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                             "#e69f00", "#56b4e9", "#7f7f7f", "#000000"};

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string place(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string text_at(double x, double y, const std::string& text, const char* anchor, const char* more = "") {
  return "<text x=\"" + place(x) + "\" y=\"" + place(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" +
         escape(text) + "</text>\n";
}

// Maps values of one axis to places.
struct scale {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool logarithmic = false;

  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }

  void finish() {
    if (low <= 0) logarithmic = false;
    if (logarithmic) {
      if (high / low < 1.2) low /= 1.1, high *= 1.1;
      return;
    }
    // From zero, unless that would hide what there is to see.
    if (low > 0 && low < 0.6 * high) low = 0;
    const double margin = high > low ? (high - low) * 0.05 : std::max(std::abs(high) * 0.05, 1e-9);
    high += margin;
    if (low != 0) low -= margin;
  }

  double share(double value) const {
    if (logarithmic) return std::log(value / low) / std::log(high / low);
    return (value - low) / (high - low);
  }

  std::vector<double> ticks() const {
    std::vector<double> list;
    if (logarithmic) {
      const bool few = high / low < 100;
      for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
        for (const double step : few ? std::vector<double>{1, 2, 5} : std::vector<double>{1})
          if (power * step >= low && power * step <= high) list.push_back(power * step);
      return list;
    }
    const double raw = (high - low) / 5;
    const double power = std::pow(10, std::floor(std::log10(raw)));
    const double step = raw / power < 2 ? 2 * power : raw / power < 5 ? 5 * power : 10 * power;
    for (double at = std::ceil(low / step) * step; at <= high; at += step)
      list.push_back(std::abs(at) < step / 1e6 ? 0 : at);
    return list;
  }
};

}  // namespace

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string plot(const std::string& title, axis x, axis y, const std::vector<plotted>& list) {
  scale sx;
  scale sy;
  sx.logarithmic = x.logarithmic;
  sy.logarithmic = y.logarithmic;
  bool any = false;
  for (const plotted& p : list)
    for (const auto& [px, py] : p.points) {
      if (!std::isfinite(px) || !std::isfinite(py)) continue;
      sx.take(px);
      sy.take(py);
      any = true;
    }
  if (!any) return "";
  sx.finish();
  sy.finish();
  const auto at_x = [&](double v) { return left + sx.share(v) * (width - left - right); };
  const auto at_y = [&](double v) { return height - bottom - sy.share(v) * (height - top - bottom); };

  std::string svg = "<svg viewBox=\"0 0 " + number(width) + " " + number(height) +
                    "\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n<title>" + escape(title) + "</title>\n";
  svg += text_at(width / 2, 18, title, "middle", " class=\"title\"");
  for (const double t : sx.ticks()) {
    svg += "<line class=\"grid\" x1=\"" + place(at_x(t)) + "\" x2=\"" + place(at_x(t)) + "\" y1=\"" + place(top) +
           "\" y2=\"" + place(height - bottom) + "\"/>\n";
    svg += text_at(at_x(t), height - bottom + 16, number(t), "middle");
  }
  for (const double t : sy.ticks()) {
    svg += "<line class=\"grid\" x1=\"" + place(left) + "\" x2=\"" + place(width - right) + "\" y1=\"" +
           place(at_y(t)) + "\" y2=\"" + place(at_y(t)) + "\"/>\n";
    svg += text_at(left - 6, at_y(t) + 4, number(t), "end");
  }
  svg += text_at((left + width - right) / 2, height - 14, x.label, "middle");
  svg += "<text transform=\"translate(14 " + place((top + height - bottom) / 2) +
         ") rotate(-90)\" text-anchor=\"middle\">" + escape(y.label) + "</text>\n";
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string colour = colours[i % colours.size()];
    std::string path;
    std::string dots;
    for (const auto& [px, py] : list[i].points) {
      if (!std::isfinite(px) || !std::isfinite(py)) continue;
      path += (path.empty() ? "M" : "L") + place(at_x(px)) + " " + place(at_y(py));
      dots +=
          "<circle cx=\"" + place(at_x(px)) + "\" cy=\"" + place(at_y(py)) + "\" r=\"3\" fill=\"" + colour + "\"/>\n";
    }
    if (list[i].line)
      svg += "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.8\"/>\n";
    if (!list[i].line || list[i].points.size() <= 40) svg += dots;
  }
  svg += "</svg>\n<p class=\"legend\">";
  for (std::size_t i = 0; i < list.size(); ++i)
    svg += "<span><b style=\"background:" + std::string(colours[i % colours.size()]) + "\"></b>" +
           escape(list[i].name) + "</span> ";
  return "<figure>\n" + svg + "</p>\n</figure>\n";
}

}  // namespace weft_lab
