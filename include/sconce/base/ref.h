// An intrusive reference count: one pointer wide, one atomic, no control block.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace sconce {

// Base of what Ref<T> points to. T must derive from RefCounted and be created with make_ref.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;
  // When it is 1, whatever others did through their handles has happened.
  std::uint32_t use_count() const { return count_.load(std::memory_order_acquire); }

 protected:
  ~RefCounted() = default;

 private:
  template <class T>
  friend class Ref;
  mutable std::atomic<std::uint32_t> count_{1};  // that of make_ref
};

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): a null pointer is a null Ref
  // One handle more to what others hold.
  explicit Ref(T* pointer) : pointer_(pointer) { retain(); }
  Ref(const Ref& other) : pointer_(other.pointer_) { retain(); }
  Ref(Ref&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  template <class Derived>
  requires std::is_convertible_v<Derived*, T*> Ref(Ref<Derived>&& other)
  noexcept  // NOLINT(google-explicit-constructor): as pointers do
      : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Ref() { release(); }

  T* get() const { return pointer_; }
  T* operator->() const { return pointer_; }
  T& operator*() const { return *pointer_; }
  explicit operator bool() const { return pointer_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.pointer_ == b.pointer_; }

 private:
  template <class U>
  friend class Ref;
  template <class U, class... Args>
  friend Ref<U> make_ref(Args&&... args);
  struct Fresh {};
  Ref(T* pointer, Fresh) : pointer_(pointer) {}
  void retain() const {
    if (pointer_) pointer_->count_.fetch_add(1, std::memory_order_relaxed);
  }
  // The only handle need not count down: nobody is there who could copy another one.
  void release() {
    if (!pointer_) return;
    if (pointer_->count_.load(std::memory_order_acquire) == 1 ||
        pointer_->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete pointer_;
    }
  }
  T* pointer_ = nullptr;
};

template <class T, class... Args>
Ref<T> make_ref(Args&&... args) {
  return Ref<T>(new T(std::forward<Args>(args)...), typename Ref<T>::Fresh());
}

}  // namespace sconce
