// Scalar and vector types, their limits, and the few type traits that kernels use.
#pragma once
#include "address_spaces.h"

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
typedef __bf16 bfloat;
typedef half float16_t;
typedef bfloat bfloat16_t;

constexpr half operator""h(long double value) { return half(value); }  // 1.0h

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_inff()
#define MAXFLOAT 3.402823466e+38f
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define HALF_MAX 65504.0h
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.434294481903251827651f
#define M_LN2_F 0.693147180559945309417f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.785398163397448309616f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.707106781186547524400f

// Every type that has vectors.
#define MSL_FOR_EACH_SCALAR(DO) \
  DO(char) DO(uchar) DO(short) DO(ushort) DO(int) DO(uint) DO(long) DO(ulong) \
  DO(half) DO(bfloat) DO(float)

namespace metal {

#define MSL_VECTORS(T)                                   \
  typedef T T##2 __attribute__((ext_vector_type(2)));    \
  typedef T T##3 __attribute__((ext_vector_type(3)));    \
  typedef T T##4 __attribute__((ext_vector_type(4)));
MSL_FOR_EACH_SCALAR(MSL_VECTORS)
#undef MSL_VECTORS

template <class T, int N> using vec = T __attribute__((ext_vector_type(N)));

// Element type and length of a vector; a scalar has length 1.
template <class T> struct shape_of {
  using element = T;
  static constexpr int length = 1;
};
#define MSL_SHAPES(T)                                                                         \
  template <> struct shape_of<T##2> { using element = T; static constexpr int length = 2; };  \
  template <> struct shape_of<T##3> { using element = T; static constexpr int length = 3; };  \
  template <> struct shape_of<T##4> { using element = T; static constexpr int length = 4; };
MSL_FOR_EACH_SCALAR(MSL_SHAPES)
#undef MSL_SHAPES
template <class T> using element_t = typename shape_of<T>::element;
template <class T> concept vector = shape_of<T>::length > 1;

template <class A, class B> struct is_same { static constexpr bool value = false; };
template <class A> struct is_same<A, A> { static constexpr bool value = true; };
template <class A, class B> constexpr bool is_same_v = is_same<A, B>::value;
template <bool B, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> { using type = T; };
template <bool B, class T = void> using enable_if_t = typename enable_if<B, T>::type;
template <bool B, class T, class F> struct conditional { using type = T; };
template <class T, class F> struct conditional<false, T, F> { using type = F; };
template <bool B, class T, class F> using conditional_t = typename conditional<B, T, F>::type;
template <class T> constexpr bool is_floating_point_v =
    is_same_v<T, float> || is_same_v<T, half> || is_same_v<T, bfloat>;
template <class T> struct is_floating_point {
  static constexpr bool value = is_floating_point_v<T>;
};
template <class T> constexpr bool is_integral_v = __is_integral(T);
template <class T> struct is_integral {
  static constexpr bool value = is_integral_v<T>;
};
template <class T> struct type_identity { using type = T; };

template <class To, class From> MSL_INLINE To as_type(From value) {
  static_assert(sizeof(To) == sizeof(From), "as_type needs types of one size");
  return __builtin_bit_cast(To, value);
}

template <class T> struct numeric_limits;
#define MSL_INTEGER_LIMITS(T, least, most)              \
  template <> struct numeric_limits<T> {                \
    static constexpr bool is_signed = T(least) < T(0);  \
    static constexpr T min() { return least; }          \
    static constexpr T lowest() { return least; }       \
    static constexpr T max() { return most; }           \
  };
MSL_INTEGER_LIMITS(bool, false, true)
MSL_INTEGER_LIMITS(char, -128, 127)
MSL_INTEGER_LIMITS(int8_t, -128, 127)
MSL_INTEGER_LIMITS(uchar, 0, 255)
MSL_INTEGER_LIMITS(short, -32768, 32767)
MSL_INTEGER_LIMITS(ushort, 0, 65535)
MSL_INTEGER_LIMITS(int, -2147483647 - 1, 2147483647)
MSL_INTEGER_LIMITS(uint, 0, 4294967295u)
MSL_INTEGER_LIMITS(long, -9223372036854775807L - 1, 9223372036854775807L)
MSL_INTEGER_LIMITS(ulong, 0, 18446744073709551615ul)
#undef MSL_INTEGER_LIMITS
#define MSL_FLOAT_LIMITS(T, least, most, step)                          \
  template <> struct numeric_limits<T> {                                \
    static constexpr bool is_signed = true;                             \
    static constexpr T min() { return T(least); }                       \
    static constexpr T max() { return T(most); }                        \
    static constexpr T lowest() { return T(-most); }                    \
    static constexpr T epsilon() { return T(step); }                    \
    static constexpr T infinity() { return T(__builtin_inff()); }       \
    static constexpr T quiet_NaN() { return T(__builtin_nanf("")); }    \
  };
MSL_FLOAT_LIMITS(float, FLT_MIN, FLT_MAX, FLT_EPSILON)
MSL_FLOAT_LIMITS(half, 6.103515625e-05f, 65504.0f, 9.765625e-04f)
MSL_FLOAT_LIMITS(bfloat, FLT_MIN, 3.38953139e+38f, 7.8125e-03f)
#undef MSL_FLOAT_LIMITS

// ---- float4(a, b, c, d), float4(x), float4(xy, zw), float4(a_half4) --------------------------
// C++ has no constructors for these types, so the names are macros where a parenthesis follows.
template <class V, class A> MSL_INLINE void append(V& result, int& filled, A part) {
  if constexpr (vector<A>) {
    for (int i = 0; i < shape_of<A>::length; i++) result[filled++] = element_t<V>(part[i]);
  } else {
    result[filled++] = element_t<V>(part);
  }
}
template <class A> struct length_of { static constexpr int value = shape_of<A>::length; };
template <class V, class... A> MSL_INLINE V construct(A... parts) {
  constexpr int given = (0 + ... + length_of<A>::value), wanted = shape_of<V>::length;
  static_assert(given == wanted || (sizeof...(A) == 1 && given == 1),
                "wrong number of components for a vector");
  V result{};
  int filled = 0;
  (append(result, filled, parts), ...);
  if constexpr (given == 1)
    for (int i = 1; i < wanted; i++) result[i] = result[0];
  return result;
}
#define MSL_CONSTRUCTORS(T)                                                              \
  template <class... A> MSL_INLINE T##2 make_##T##2(A... a) { return construct<T##2>(a...); } \
  template <class... A> MSL_INLINE T##3 make_##T##3(A... a) { return construct<T##3>(a...); } \
  template <class... A> MSL_INLINE T##4 make_##T##4(A... a) { return construct<T##4>(a...); }
MSL_FOR_EACH_SCALAR(MSL_CONSTRUCTORS)
#undef MSL_CONSTRUCTORS

}  // namespace metal

#define char2(...) make_char2(__VA_ARGS__)
#define char3(...) make_char3(__VA_ARGS__)
#define char4(...) make_char4(__VA_ARGS__)
#define uchar2(...) make_uchar2(__VA_ARGS__)
#define uchar3(...) make_uchar3(__VA_ARGS__)
#define uchar4(...) make_uchar4(__VA_ARGS__)
#define short2(...) make_short2(__VA_ARGS__)
#define short3(...) make_short3(__VA_ARGS__)
#define short4(...) make_short4(__VA_ARGS__)
#define ushort2(...) make_ushort2(__VA_ARGS__)
#define ushort3(...) make_ushort3(__VA_ARGS__)
#define ushort4(...) make_ushort4(__VA_ARGS__)
#define int2(...) make_int2(__VA_ARGS__)
#define int3(...) make_int3(__VA_ARGS__)
#define int4(...) make_int4(__VA_ARGS__)
#define uint2(...) make_uint2(__VA_ARGS__)
#define uint3(...) make_uint3(__VA_ARGS__)
#define uint4(...) make_uint4(__VA_ARGS__)
#define half2(...) make_half2(__VA_ARGS__)
#define half3(...) make_half3(__VA_ARGS__)
#define half4(...) make_half4(__VA_ARGS__)
#define bfloat2(...) make_bfloat2(__VA_ARGS__)
#define bfloat3(...) make_bfloat3(__VA_ARGS__)
#define bfloat4(...) make_bfloat4(__VA_ARGS__)
#define float2(...) make_float2(__VA_ARGS__)
#define float3(...) make_float3(__VA_ARGS__)
#define float4(...) make_float4(__VA_ARGS__)

using namespace metal;
