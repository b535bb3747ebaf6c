#include "sconce/train/curves.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "sconce/base/text.h"

namespace sconce::train {
namespace {

constexpr double kWidth = 720;
constexpr double kPanelHeight = 240;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 32;
constexpr double kBottom = 32;
constexpr int kGridLines = 4;

struct Point {
  double x = 0;
  double y = 0;
};

struct Curve {
  std::string_view name;
  std::string_view colour;
  std::vector<Point> points;
};

struct Range {
  double low = 0;
  double high = 1;
  double place(double value) const { return (value - low) / (high - low); }
};

std::string number(double value, int digits) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, digits);
  return {text.data(), end.ptr};
}

std::string coordinate(double value) { return number(std::round(value * 10) / 10, 6); }

Range range_of(const std::vector<Curve>& curves) {
  Range range{.low = 0, .high = 0};
  for (const Curve& curve : curves) {
    for (const Point& point : curve.points) {
      if (std::isfinite(point.y)) range.high = std::max(range.high, point.y);
    }
  }
  if (range.high == 0) range.high = 1;
  return range;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return cat("<text x=\"", coordinate(x), "\" y=\"", coordinate(y), "\" text-anchor=\"", anchor, "\">", text,
             "</text>\n");
}

// One panel whose frame begins at `top`.
std::string panel(std::string_view title, const std::vector<Curve>& curves, double last_step,
                  const Range& range, double top) {
  const double width = kWidth - kLeft - kRight;
  const double height = kPanelHeight - kTop - kBottom;
  const double base = top + kTop + height;
  const auto x_of = [&](double step) { return kLeft + width * step / last_step; };
  const auto y_of = [&](double value) { return base - height * range.place(value); };

  std::string svg = text_at(kLeft, top + 20, "start", title);
  for (int i = 0; i <= kGridLines; ++i) {
    const double share = static_cast<double>(i) / kGridLines;
    const double value = range.low + (range.high - range.low) * share;
    svg += cat("<path class=\"grid\" d=\"M", coordinate(kLeft), " ", coordinate(y_of(value)), "H",
               coordinate(kWidth - kRight), "\"/>\n");
    svg += text_at(kLeft - 8, y_of(value) + 4, "end", number(value, 3));
    svg += text_at(x_of(last_step * share), base + 18, "middle", number(std::round(last_step * share), 9));
  }
  double name_at = kWidth - kRight;
  for (const Curve& curve : curves) {
    std::string path;
    bool is_drawing = false;
    for (const Point& point : curve.points) {
      const bool is_shown = std::isfinite(point.y);
      if (is_shown) {
        path += cat(is_drawing ? "L" : "M", coordinate(x_of(point.x)), " ", coordinate(y_of(point.y)));
      }
      is_drawing = is_shown;
    }
    if (!path.empty()) svg += cat("<path class=\"curve\" stroke=\"", curve.colour, "\" d=\"", path, "\"/>\n");
    svg += cat("<g fill=\"", curve.colour, "\">", text_at(name_at, top + 20, "end", curve.name), "</g>\n");
    name_at -= 100;
  }
  return svg;
}

}  // namespace

std::string curves_svg(const std::vector<MetricsRecord>& records, std::int64_t steps_in_epoch) {
  Curve loss{.name = "training", .colour = "#7a8ca3", .points = {}};
  Curve validation_loss{.name = "validation", .colour = "#c2410c", .points = {}};
  Curve accuracy{.name = "validation", .colour = "#c2410c", .points = {}};
  double last_step = 1;
  for (const MetricsRecord& record : records) {
    const bool is_step = record.kind == MetricsRecord::Kind::kStep;
    const auto x = static_cast<double>(is_step ? record.step : (record.epoch + 1) * steps_in_epoch);
    last_step = std::max(last_step, x);
    (is_step ? loss : validation_loss).points.push_back({x, record.loss});
    if (!is_step) accuracy.points.push_back({x, record.accuracy});
  }
  const std::vector<Curve> losses = {loss, validation_loss};
  return cat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", coordinate(kWidth), " ",
             coordinate(2 * kPanelHeight), "\" font-family=\"sans-serif\" font-size=\"12\">\n",
             "<style>.grid{stroke:#ddd}.curve{fill:none;stroke-width:1.5}</style>\n",
             "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
             panel("loss over steps", losses, last_step, range_of(losses), 0),
             panel("accuracy over steps", {accuracy}, last_step, Range{}, kPanelHeight), "</svg>\n");
}

}  // namespace sconce::train
