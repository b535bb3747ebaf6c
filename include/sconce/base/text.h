// Building and escaping text.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace sconce {

// A type whose text is something else than what is streamed has a function append_text(std::string&, const
// T&) beside it.
template <class T>
concept HasText = requires(std::string& out, const T& part) {
  append_text(out, part);
};

template <class T>
concept Streamable = HasText<T> || requires(std::ostream& out, const T& part) {
  out << part;
};

namespace detail {

// A part of a text on its way into it. Parts carry their own function, so that each of the thousand calls of
// cat and require compiles to a table of parts and one call, whatever the types.
struct TextPart {
  const void* at;
  std::size_t size;  // of text
  void (*append)(std::string& out, const void* at, std::size_t size);
};

// By std::ostream in the classic locale: numbers stay plain whatever the program's locale.
void append_streamed(std::string& out, const void* part, void (*print)(std::ostream& out, const void* part));

template <class T>
TextPart text_part(const T& part) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    const std::string_view text = part;
    return {text.data(), text.size(), [](std::string& out, const void* at, std::size_t size) {
              out.append(static_cast<const char*>(at), size);
            }};
  } else if constexpr (std::same_as<T, char>) {
    return {&part, 1, [](std::string& out, const void* at, std::size_t size) {
              out.append(static_cast<const char*>(at), size);
            }};
  } else if constexpr (HasText<T>) {
    return {&part, 0, [](std::string& out, const void* at, std::size_t) {
              append_text(out, *static_cast<const T*>(at));
            }};
  } else if constexpr (std::integral<T> && sizeof(T) > 1) {
    return {&part, 0, [](std::string& out, const void* at, std::size_t) {
              char digits[24];
              const auto end = std::to_chars(digits, digits + sizeof digits, *static_cast<const T*>(at)).ptr;
              out.append(digits, end);
            }};
  } else {
    return {&part, 0, [](std::string& out, const void* at, std::size_t) {
              append_streamed(out, at, [](std::ostream& stream, const void* value) {
                stream << *static_cast<const T*>(value);
              });
            }};
  }
}

std::string join(std::span<const TextPart> parts);

}  // namespace detail

// Concatenates everything that can be streamed: cat("expected ", 3, " channels"). (What cannot be, such as a
// vector of tensors, is left to the cat that joins tensors.)
template <Streamable... Parts>
std::string cat(const Parts&... parts) {
  if constexpr (sizeof...(parts) == 0) {
    return {};
  } else {
    const detail::TextPart table[] = {detail::text_part(parts)...};
    return detail::join(table);
  }
}

// Text with control characters, backslashes and invalid UTF-8 written as \n, \x1b, \\ ..., so that a name
// read from a file cannot drive a terminal. Written only when it is asked for: a name in the message of a
// check that passes costs nothing. The text must live as long.
class Escaped {
 public:
  explicit Escaped(std::string_view text) : text_(text) {}
  operator std::string() const {
    std::string out;
    append_text(out, *this);
    return out;
  }
  friend void append_text(std::string& out, const Escaped& part);
  friend std::ostream& operator<<(std::ostream& out, const Escaped& part) { return out << std::string(part); }

 private:
  std::string_view text_;
};

inline Escaped escaped(std::string_view text) { return Escaped(text); }

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace sconce
