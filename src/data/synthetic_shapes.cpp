#include "sconce/data/synthetic_shapes.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "sconce/kernels/random.h"

namespace sconce::data {
namespace {

constexpr int kSide = 32;
constexpr int kUnit = 256;     // a shape's radius in the coordinates of its own frame
constexpr int kContrast = 60;  // least difference in brightness between shape and ground
constexpr int kNoise = 20;

// SplitMix64's output function (Steele, Lea, Flood 2014): spreads nearby numbers over all 64 bits.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// round(2^14 * sin(k * 90 / 16 degrees)). A table, because libm's last bits differ between machines.
constexpr std::array<int, 17> kQuarterSine{0,     1606,  3196,  4756,  6270,  7723,  9102,  10394, 11585,
                                           12665, 13623, 14449, 15137, 15679, 16069, 16305, 16384};

// 2^14 * sine of `step` 64ths of a turn.
int sine(int step) {
  const int quarter = (step >> 4) & 3;
  const int within = step & 15;
  const int size = kQuarterSine[static_cast<std::size_t>(quarter % 2 == 0 ? within : 16 - within)];
  return quarter < 2 ? size : -size;
}

// Whether the point (u, v) of a shape's own frame belongs to it. All shapes lie in about the unit disk.
bool is_inside(std::int64_t label, int u, int v) {
  const int square = u * u + v * v;
  const int widest = std::max(std::abs(u), std::abs(v));
  constexpr int kDisk = kUnit * kUnit;
  switch (label) {
    case 0:  // circle
      return square <= kDisk;
    case 1:  // square
      return widest <= 200;
    case 2:  // triangle: 443 / 256 is the square root of 3
      return v >= -128 && std::abs(u) * 443 <= (kUnit - v) * 256;
    case 3:  // cross
      return std::min(std::abs(u), std::abs(v)) <= 76 && widest <= kUnit;
    case 4:  // ring
      return square <= kDisk && square >= 150 * 150;
    case 5:  // stripes
      return widest <= 240 && (u + 240) / 96 % 2 == 0;
    case 6:  // corner
      return widest <= 210 && (u <= -60 || v <= -60);
    case 7:  // half disk
      return v >= -100 && u * u + (v + 100) * (v + 100) <= kDisk;
    case 8:  // crescent
      return square <= kDisk && (u - 110) * (u - 110) + v * v >= 210 * 210;
    default:  // checkerboard
      return widest <= 240 && ((u + 240) / 160 + (v + 240) / 160) % 2 == 0;
  }
}

struct Color {
  int channel[3];
};

// Draws numbers in [low, high].
int between(Generator& generator, int low, int high) {
  return low + static_cast<int>(generator.r32() % static_cast<std::uint32_t>(high - low + 1));
}

int brightness(const Color& color) {
  return (color.channel[0] * 2 + color.channel[1] * 5 + color.channel[2]) / 8;
}

Color random_color(Generator& generator) {
  Color color{};
  for (int& channel : color.channel) channel = between(generator, 20, 235);
  return color;
}

}  // namespace

SyntheticShapes::SyntheticShapes(Split split, const SyntheticShapesOptions& options)
    : size_(options.size), stream_(mixed(options.seed * 2 + (split == Split::kTest ? 1 : 0))) {
  require(options.size >= 0, ErrorCode::kInvalidArgument, "synthetic_shapes",
          "expected 0 or more images, found ", options.size);
  if (size_ == 0) size_ = split == Split::kTrain ? 8000 : 2000;
}

const std::vector<std::string>& SyntheticShapes::class_names() const {
  static const std::vector<std::string> names{"circle",  "square", "triangle",  "cross",    "ring",
                                              "stripes", "corner", "half disk", "crescent", "checkerboard"};
  return names;
}

void SyntheticShapes::read_image(std::int64_t index, std::span<std::uint8_t> pixels) const {
  Generator generator(mixed(stream_ + static_cast<std::uint64_t>(index)));
  const Color ground = random_color(generator);
  Color ink = random_color(generator);
  while (std::abs(brightness(ink) - brightness(ground)) < kContrast) ink = random_color(generator);
  const Color tilt{{between(generator, -40, 40), between(generator, -40, 40), between(generator, -40, 40)}};
  // Lengths are counted in 16ths of a pixel.
  const int radius = between(generator, 144, 208);
  const int center_x = kSide * 8 + between(generator, -48, 48);
  const int center_y = kSide * 8 + between(generator, -48, 48);
  const int turn = between(generator, 0, 63);
  const int sin = sine(turn);
  const int cos = sine(turn + 16);
  // Divides by 2^14 (the sine's scale) and by the radius, and multiplies by kUnit.
  const std::int64_t scale = (std::int64_t{kUnit} << 16) / radius;
  const auto to_frame = [scale](int length) { return static_cast<int>((length * scale) >> 30); };
  const std::int64_t label = read_label(index);

  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      // Four samples a pixel soften the edges.
      int covered = 0;
      for (int sample = 0; sample < 4; ++sample) {
        const int dx = x * 16 + 4 + 8 * (sample & 1) - center_x;
        const int dy = y * 16 + 4 + 8 * (sample >> 1) - center_y;
        const int u = to_frame(dx * cos + dy * sin);
        const int v = to_frame(dy * cos - dx * sin);
        covered += is_inside(label, u, v) ? 1 : 0;
      }
      for (int c = 0; c < 3; ++c) {
        const int slope = tilt.channel[c] * (x + y - kSide) / kSide;
        const int plain = (ink.channel[c] * covered + ground.channel[c] * (4 - covered)) / 4;
        const int noisy = plain + slope + between(generator, -kNoise, kNoise);
        pixels[(static_cast<std::size_t>(c) * kSide + static_cast<std::size_t>(y)) * kSide +
               static_cast<std::size_t>(x)] = static_cast<std::uint8_t>(std::clamp(noisy, 0, 255));
      }
    }
  }
}

}  // namespace sconce::data
