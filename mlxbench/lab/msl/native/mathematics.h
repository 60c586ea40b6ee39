// Metal's mathematics, for float, half and bfloat and their vectors.
//
// Values of the narrow types are widened to float, computed, and rounded once. Functions of
// `metal::`, `metal::precise::` and `metal::fast::` are all the machine's accurate ones: how far a
// GPU's fast ones are off is not modelled. mlx compiles kernels without fast-math.
//
// Each function exists for exactly its own types, as in Metal, so that a call which is ambiguous
// there is ambiguous here.
#pragma once
#include "types.h"

namespace metal {

#define MSL_UNARY(name, expression)                                                      \
  MSL_INLINE float name(float x) { return expression; }                                  \
  MSL_INLINE half name(half narrow) { float x = narrow; return half(expression); }       \
  MSL_INLINE bfloat name(bfloat narrow) { float x = narrow; return bfloat(expression); } \
  template <vector V> MSL_INLINE V name(V v) {                                           \
    V result;                                                                            \
    for (int i = 0; i < shape_of<V>::length; i++) result[i] = name(element_t<V>(v[i]));  \
    return result;                                                                       \
  }
#define MSL_BINARY(name, expression)                                                              \
  MSL_INLINE float name(float x, float y) { return expression; }                                  \
  MSL_INLINE half name(half a, half b) { float x = a, y = b; return half(expression); }           \
  MSL_INLINE bfloat name(bfloat a, bfloat b) { float x = a, y = b; return bfloat(expression); }   \
  template <vector V> MSL_INLINE V name(V a, V b) {                                               \
    V result;                                                                                     \
    for (int i = 0; i < shape_of<V>::length; i++)                                                 \
      result[i] = name(element_t<V>(a[i]), element_t<V>(b[i]));                                   \
    return result;                                                                                \
  }

#define MSL_MATHEMATICS                                                                      \
  MSL_UNARY(acos, __builtin_acosf(x)) MSL_UNARY(acosh, __builtin_acoshf(x))                  \
  MSL_UNARY(asin, __builtin_asinf(x)) MSL_UNARY(asinh, __builtin_asinhf(x))                  \
  MSL_UNARY(atan, __builtin_atanf(x)) MSL_UNARY(atanh, __builtin_atanhf(x))                  \
  MSL_UNARY(ceil, __builtin_ceilf(x)) MSL_UNARY(cos, __builtin_cosf(x))                      \
  MSL_UNARY(cosh, __builtin_coshf(x)) MSL_UNARY(cospi, __builtin_cosf(M_PI_F * x))           \
  MSL_UNARY(exp, __builtin_expf(x)) MSL_UNARY(exp2, __builtin_exp2f(x))                      \
  MSL_UNARY(exp10, __builtin_powf(10.0f, x)) MSL_UNARY(fabs, __builtin_fabsf(x))             \
  MSL_UNARY(floor, __builtin_floorf(x)) MSL_UNARY(fract, x - __builtin_floorf(x))            \
  MSL_UNARY(log, __builtin_logf(x)) MSL_UNARY(log2, __builtin_log2f(x))                      \
  MSL_UNARY(log10, __builtin_log10f(x)) MSL_UNARY(rint, __builtin_rintf(x))                  \
  MSL_UNARY(round, __builtin_roundf(x)) MSL_UNARY(rsqrt, 1.0f / __builtin_sqrtf(x))          \
  MSL_UNARY(sin, __builtin_sinf(x)) MSL_UNARY(sinh, __builtin_sinhf(x))                      \
  MSL_UNARY(sinpi, __builtin_sinf(M_PI_F * x)) MSL_UNARY(sqrt, __builtin_sqrtf(x))           \
  MSL_UNARY(tan, __builtin_tanf(x)) MSL_UNARY(tanh, __builtin_tanhf(x))                      \
  MSL_UNARY(trunc, __builtin_truncf(x))                                                      \
  MSL_UNARY(sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? x : 0.0f)                 \
  MSL_UNARY(saturate, __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f))                       \
  MSL_BINARY(atan2, __builtin_atan2f(x, y)) MSL_BINARY(copysign, __builtin_copysignf(x, y))  \
  MSL_BINARY(fdim, __builtin_fdimf(x, y)) MSL_BINARY(fmax, __builtin_fmaxf(x, y))            \
  MSL_BINARY(fmin, __builtin_fminf(x, y)) MSL_BINARY(fmod, __builtin_fmodf(x, y))            \
  MSL_BINARY(pow, __builtin_powf(x, y)) MSL_BINARY(powr, __builtin_powf(x, y))               \
  MSL_BINARY(divide, x / y) MSL_BINARY(step, y < x ? 0.0f : 1.0f)
MSL_MATHEMATICS
#undef MSL_UNARY
#undef MSL_BINARY
#define MSL_UNARY(name, expression) using metal::name;
#define MSL_BINARY(name, expression) using metal::name;
namespace precise { MSL_MATHEMATICS }
namespace fast { MSL_MATHEMATICS }
#undef MSL_MATHEMATICS
#undef MSL_UNARY
#undef MSL_BINARY

MSL_INLINE bool isnan(float x) { return __builtin_isnan(x); }
MSL_INLINE bool isinf(float x) { return __builtin_isinf(x); }
MSL_INLINE bool isfinite(float x) { return __builtin_isfinite(x); }
MSL_INLINE bool signbit(float x) { return __builtin_signbit(x); }

// ---- three arguments, and results through pointers -------------------------------------------

MSL_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
MSL_INLINE half fma(half a, half b, half c) { return half(__builtin_fmaf(a, b, c)); }
MSL_INLINE bfloat fma(bfloat a, bfloat b, bfloat c) { return bfloat(__builtin_fmaf(a, b, c)); }
template <vector V> MSL_INLINE V fma(V a, V b, V c) {
  V result;
  for (int i = 0; i < shape_of<V>::length; i++)
    result[i] = fma(element_t<V>(a[i]), element_t<V>(b[i]), element_t<V>(c[i]));
  return result;
}
template <class T> MSL_INLINE T mix(T a, T b, typename type_identity<T>::type t) {
  return a + (b - a) * t;
}
template <class T> MSL_INLINE T smoothstep(T low, T high, T x) {
  T t = clamp(T((x - low) / (high - low)), T(0), T(1));
  return t * t * (T(3) - T(2) * t);
}
MSL_INLINE float ldexp(float x, int power) { return __builtin_ldexpf(x, power); }
MSL_INLINE float frexp(float x, thread int& power) { return __builtin_frexpf(x, &power); }
MSL_INLINE float modf(float x, thread float& whole) { return __builtin_modff(x, &whole); }
MSL_INLINE float sincos(float x, thread float& cosine) {
  cosine = __builtin_cosf(x);
  return __builtin_sinf(x);
}

// ---- any arithmetic type ---------------------------------------------------------------------

template <class T> MSL_INLINE T abs(T x) {
  if constexpr (is_floating_point_v<element_t<T>>) return fabs(x);
  else return x < T(0) ? T(-x) : x;
}
template <class T> MSL_INLINE T max(T a, T b) {
  if constexpr (is_floating_point_v<element_t<T>>) return fmax(a, b);
  else return a < b ? b : a;
}
template <class T> MSL_INLINE T min(T a, T b) {
  if constexpr (is_floating_point_v<element_t<T>>) return fmin(a, b);
  else return b < a ? b : a;
}
template <class T> MSL_INLINE T max3(T a, T b, T c) { return max(max(a, b), c); }
template <class T> MSL_INLINE T min3(T a, T b, T c) { return min(min(a, b), c); }
template <class T> MSL_INLINE T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <class T> MSL_INLINE T select(T a, T b, bool second) { return second ? b : a; }
template <vector V, vector C> MSL_INLINE V select(V a, V b, C second) {
  V result;
  for (int i = 0; i < shape_of<V>::length; i++) result[i] = second[i] ? b[i] : a[i];
  return result;
}
template <vector C> MSL_INLINE bool any(C truths) {
  bool result = false;
  for (int i = 0; i < shape_of<C>::length; i++) result = result || truths[i];
  return result;
}
template <vector C> MSL_INLINE bool all(C truths) {
  bool result = true;
  for (int i = 0; i < shape_of<C>::length; i++) result = result && truths[i];
  return result;
}

// ---- vectors as vectors ----------------------------------------------------------------------

template <vector V> MSL_INLINE element_t<V> dot(V a, V b) {
  element_t<V> sum = a[0] * b[0];
  for (int i = 1; i < shape_of<V>::length; i++) sum = element_t<V>(sum + a[i] * b[i]);
  return sum;
}
template <vector V> MSL_INLINE element_t<V> length_squared(V v) { return dot(v, v); }
template <vector V> MSL_INLINE element_t<V> length(V v) { return sqrt(dot(v, v)); }
template <vector V> MSL_INLINE V normalize(V v) { return v * rsqrt(dot(v, v)); }

// ---- bits ------------------------------------------------------------------------------------

template <class T> constexpr int bits_of = 8 * sizeof(T);
template <class T> MSL_INLINE ulong unsigned_bits(T x) {
  return ulong(x) & (~0ul >> (64 - bits_of<T>));
}
template <class T> MSL_INLINE T popcount(T x) { return T(__builtin_popcountl(unsigned_bits(x))); }
template <class T> MSL_INLINE T clz(T x) {
  return x == 0 ? T(bits_of<T>) : T(__builtin_clzl(unsigned_bits(x)) - (64 - bits_of<T>));
}
template <class T> MSL_INLINE T ctz(T x) {
  return x == 0 ? T(bits_of<T>) : T(__builtin_ctzl(unsigned_bits(x)));
}
template <class T> MSL_INLINE T rotate(T x, T left) {
  ulong bits = unsigned_bits(x);
  int by = int(left) & (bits_of<T> - 1);
  return by == 0 ? x : T(bits << by | bits >> (bits_of<T> - by));
}
MSL_INLINE uint reverse_bits(uint x) { return __builtin_bitreverse32(x); }
MSL_INLINE uint mulhi(uint a, uint b) { return uint(ulong(a) * b >> 32); }
MSL_INLINE int mulhi(int a, int b) { return int(long(a) * b >> 32); }
MSL_INLINE uint extract_bits(uint x, uint offset, uint n_bits) {
  return n_bits == 0 ? 0 : x << (32 - n_bits - offset) >> (32 - n_bits);
}
MSL_INLINE int extract_bits(int x, uint offset, uint n_bits) {
  return n_bits == 0 ? 0 : int(uint(x) << (32 - n_bits - offset)) >> (32 - n_bits);
}

}  // namespace metal
