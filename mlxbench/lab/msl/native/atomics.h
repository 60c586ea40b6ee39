// Atomic operations, relaxed, as Metal has them. See mslrt::atomic_read.
#pragma once
#include "types.h"

namespace metal {

enum memory_order { memory_order_relaxed = 0 };

template <class T> struct atomic {
  static_assert(is_same_v<T, int> || is_same_v<T, uint> || is_same_v<T, float> ||
                    is_same_v<T, bool> || is_same_v<T, ulong>,
                "Metal has atomics of int, uint, ulong, float and bool only");
  T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<ulong> atomic_ulong;
typedef atomic<float> atomic_float;
typedef atomic<bool> atomic_bool;

namespace atomics {

template <class P> MSL_INLINE const volatile void* plain(P* pointer) {
  return (const volatile void*)pointer;
}
template <class T, class P> MSL_INLINE T read(P* object) {
  T value;
  mslrt::atomic_read(plain(object), &value, sizeof value);
  return value;
}
template <class T, class P> MSL_INLINE void write(P* object, T value) {
  mslrt::atomic_write((volatile void*)object, &value, sizeof value);
}

}  // namespace atomics

#define MSL_FETCH(space, name, expression)                                              \
  template <class T>                                                                    \
  MSL_INLINE T atomic_##name##_explicit(volatile space atomic<T>* object,               \
                                        typename type_identity<T>::type operand,        \
                                        memory_order) {                                 \
    T old = atomics::read<T>(object);                                                   \
    atomics::write<T>(object, T(expression));                                           \
    return old;                                                                         \
  }
#define MSL_ATOMICS(space)                                                                       \
  MSL_FETCH(space, fetch_add, old + operand) MSL_FETCH(space, fetch_sub, old - operand)          \
  MSL_FETCH(space, fetch_and, old & operand) MSL_FETCH(space, fetch_or, old | operand)           \
  MSL_FETCH(space, fetch_xor, old ^ operand) MSL_FETCH(space, exchange, operand)                 \
  MSL_FETCH(space, fetch_max, old < operand ? operand : old)                                     \
  MSL_FETCH(space, fetch_min, operand < old ? operand : old)                                     \
  template <class T>                                                                             \
  MSL_INLINE T atomic_load_explicit(const volatile space atomic<T>* object, memory_order) {      \
    return atomics::read<T>(object);                                                             \
  }                                                                                              \
  template <class T>                                                                             \
  MSL_INLINE void atomic_store_explicit(volatile space atomic<T>* object,                        \
                                        typename type_identity<T>::type value, memory_order) {   \
    atomics::write<T>(object, value);                                                            \
  }                                                                                              \
  template <class T>                                                                             \
  MSL_INLINE bool atomic_compare_exchange_weak_explicit(                                         \
      volatile space atomic<T>* object, thread T* expected,                                      \
      typename type_identity<T>::type value, memory_order, memory_order) {                       \
    T old = atomics::read<T>(object);                                                            \
    bool same = __builtin_memcmp(&old, expected, sizeof old) == 0;                               \
    if (same) atomics::write<T>(object, value);                                                  \
    else *expected = old;                                                                        \
    return same;                                                                                 \
  }
MSL_ATOMICS(device)
MSL_ATOMICS(threadgroup)
#undef MSL_ATOMICS
#undef MSL_FETCH

}  // namespace metal
