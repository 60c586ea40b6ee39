// The part of mlx's own Metal utilities that kernels use: mlx puts them in front of every kernel.
#pragma once
#include "mathematics.h"

#define MLX_MTL_PRAGMA_UNROLL _Pragma("clang loop unroll(full)")

template <class T> struct Limits {
  static constexpr T max = metal::numeric_limits<T>::max();
  static constexpr T min = metal::numeric_limits<T>::min();
  static constexpr T finite_max = max, finite_min = min;
};
template <class T> requires metal::is_floating_point_v<T> struct Limits<T> {
  static constexpr T max = metal::numeric_limits<T>::infinity();
  static constexpr T min = -metal::numeric_limits<T>::infinity();
  static constexpr T finite_max = metal::numeric_limits<T>::max();
  static constexpr T finite_min = metal::numeric_limits<T>::lowest();
};

// Where element number `element` of an array lies, in row-major order, given its strides.
template <class Index = int64_t>
METAL_FUNC Index elem_to_loc(Index element, constant int* shape, constant int64_t* strides,
                             int n_dimensions) {
  Index location = 0;
  for (int i = n_dimensions - 1; i >= 0 && element > 0; i--) {
    location += element % shape[i] * Index(strides[i]);
    element /= shape[i];
  }
  return location;
}
template <class Index = int64_t>
METAL_FUNC Index elem_to_loc_1(uint element, constant int64_t& stride) {
  return element * Index(stride);
}
template <class Index = int64_t>
METAL_FUNC Index elem_to_loc_2(metal::uint2 element, constant int64_t* strides) {
  return element.x * Index(strides[1]) + element.y * Index(strides[0]);
}
template <class Index = int64_t>
METAL_FUNC Index elem_to_loc_3(metal::uint3 element, constant int64_t* strides) {
  return element.x * Index(strides[2]) + element.y * Index(strides[1]) +
         element.z * Index(strides[0]);
}

template <class A, class B> inline A ceildiv(A a, B b) { return (a + b - 1) / b; }
inline float log1p(float x) { return __builtin_log1pf(x); }
inline bfloat16_t log1p(bfloat16_t x) { return bfloat16_t(__builtin_log1pf(x)); }
