// SHA-256 (FIPS 180-4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sconce {

class Sha256 {
 public:
  using Digest = std::array<std::byte, 32>;

  void update(std::span<const std::byte> data);
  // The digest of everything so far; update() must not follow.
  Digest finish();

 private:
  void block(const std::byte* data);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> pending_{};
  std::uint64_t size_ = 0;
};

// The digest of `data` in lower-case hexadecimal.
std::string sha256_hex(std::span<const std::byte> data);
std::string to_hex(const Sha256::Digest& digest);

}  // namespace sconce
