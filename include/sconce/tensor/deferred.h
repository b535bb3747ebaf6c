// Numbers that a tensor does not have in plain order yet: they stand elsewhere, or are still to be computed.
// Operations that know the kind hand it on; everybody else sees plain numbers, which are made at the first
// look.
#pragma once

#include <cstdint>

#include "sconce/base/ref.h"
#include "sconce/core/array.h"

namespace sconce {

// Threads may meet in every function.
class Deferred : public RefCounted {
 public:
  enum class Kind : std::uint8_t { kBlocks, kUnseen, kScattered };

  virtual ~Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  Kind kind() const { return kind_; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  // The plain numbers; from then on they are kept, too.
  virtual const Array& plain() const = 0;
  // The same for a tensor that is about to be written to and lets go of this.
  virtual Array leave() { return plain(); }
  // Changes when the plain numbers are written to.
  virtual std::uint32_t version() const = 0;

 protected:
  Deferred(Kind kind, const Shape& shape, DType dtype) : kind_(kind), dtype_(dtype), shape_(shape) {}

 private:
  Kind kind_;
  DType dtype_;
  Shape shape_;
};

}  // namespace sconce
