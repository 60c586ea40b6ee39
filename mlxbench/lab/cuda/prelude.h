// Metal's spellings on CUDA, as far as custom kernels use them. It stands in front of a kernel's own
// header, behind what mlx includes, outside all namespaces; the kernel itself stands in mlx's own.
// twin.py says what else happens to a kernel's text. NVRTC compiles it, as C++17.
//
// SIMD functions take part with all 32 lanes (a full mask), so a lane that returned before them
// gives an undefined value; on Metal it is left out. Arithmetic of half and bfloat is CUDA's, which
// rounds once as Metal's does. `metal::fast` and `metal::precise` are all the accurate functions.

// ---- address spaces: CUDA has one, so pointers into different memories are not told apart --------

#define device
#define constant
#define thread
#define threadgroup
#define METAL_FUNC __device__ inline

// ---- types and constants -------------------------------------------------------------------------

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef __half half;
typedef __half float16_t;
typedef __nv_bfloat16 bfloat;
typedef __nv_bfloat16 bfloat16_t;

#ifndef INFINITY
#define INFINITY cuda::std::numeric_limits<float>::infinity()
#endif
#ifndef NAN
#define NAN cuda::std::numeric_limits<float>::quiet_NaN()
#endif
#ifndef FLT_MAX
#define FLT_MAX 3.402823466e+38f
#endif
#ifndef M_PI_F
#define M_PI_F 3.14159265358979323846f
#endif

namespace metal {

template <class T> constexpr bool is_narrow_float =
    cuda::std::is_same_v<T, __half> || cuda::std::is_same_v<T, __nv_bfloat16>;
template <class T> constexpr bool is_float =
    cuda::std::is_same_v<T, float> || is_narrow_float<T>;
template <class T> constexpr bool is_integer = cuda::std::is_integral_v<T>;
template <bool B> using enable = cuda::std::enable_if_t<B, int>;
template <class T> using numeric_limits = cuda::std::numeric_limits<T>;

template <class To, class From> METAL_FUNC To as_type(From from) {
  static_assert(sizeof(To) == sizeof(From), "as_type between types of different sizes");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace metal

// ---- half and bfloat beside other types: as float beside float, as themselves beside integers ----

// Both convert to every number by themselves, so without these CUDA calls the mixture ambiguous.
#define MSL_MIXED(op, Result)                                                                  \
  template <class N, metal::enable<metal::is_narrow_float<N>> = 0>                             \
  METAL_FUNC Result<N, float> operator op(N a, float b) { return float(a) op b; }              \
  template <class N, metal::enable<metal::is_narrow_float<N>> = 0>                             \
  METAL_FUNC Result<N, float> operator op(float a, N b) { return a op float(b); }              \
  template <class N, class I,                                                                  \
            metal::enable<metal::is_narrow_float<N> && metal::is_integer<I>> = 0>              \
  METAL_FUNC Result<N, N> operator op(N a, I b) { return a op static_cast<N>(float(b)); }      \
  template <class N, class I,                                                                  \
            metal::enable<metal::is_narrow_float<N> && metal::is_integer<I>> = 0>              \
  METAL_FUNC Result<N, N> operator op(I a, N b) { return static_cast<N>(float(a)) op b; }
#define MSL_MIXED_ASSIGNMENT(op)                                                               \
  template <class N, metal::enable<metal::is_narrow_float<N>> = 0>                             \
  METAL_FUNC float& operator op##=(float& a, N b) { return a = a op float(b); }                \
  template <class N, metal::enable<metal::is_narrow_float<N>> = 0>                             \
  METAL_FUNC N& operator op##=(N& a, float b) { return a = static_cast<N>(float(a) op b); }
template <class N, class R> using msl_number = R;
template <class N, class R> using msl_truth = bool;
MSL_MIXED(+, msl_number) MSL_MIXED(-, msl_number) MSL_MIXED(*, msl_number) MSL_MIXED(/, msl_number)
MSL_MIXED(<, msl_truth) MSL_MIXED(>, msl_truth) MSL_MIXED(<=, msl_truth) MSL_MIXED(>=, msl_truth)
MSL_MIXED(==, msl_truth) MSL_MIXED(!=, msl_truth)
MSL_MIXED_ASSIGNMENT(+) MSL_MIXED_ASSIGNMENT(-) MSL_MIXED_ASSIGNMENT(*) MSL_MIXED_ASSIGNMENT(/)
#undef MSL_MIXED
#undef MSL_MIXED_ASSIGNMENT

// ---- vectors: CUDA has the types without their arithmetic ----------------------------------------

#define MSL_EACH_2(op) a.x op b.x, a.y op b.y
#define MSL_EACH_3(op) MSL_EACH_2(op), a.z op b.z
#define MSL_EACH_4(op) MSL_EACH_3(op), a.w op b.w
#define MSL_VECTOR_OPERATOR(V, E, n, op)                                                       \
  METAL_FUNC V operator op(V a, V b) { return V{MSL_EACH_##n(op)}; }                           \
  METAL_FUNC V operator op(V a, E b) { return a op make_##V(b); }                              \
  METAL_FUNC V operator op(E a, V b) { return make_##V(a) op b; }                              \
  METAL_FUNC V& operator op##=(V& a, V b) { return a = a op b; }                               \
  METAL_FUNC V& operator op##=(V& a, E b) { return a = a op make_##V(b); }
#define MSL_VECTOR(E, n, ...)                                                                  \
  METAL_FUNC E##n make_##E##n(E a) { return E##n{__VA_ARGS__}; }                               \
  MSL_VECTOR_OPERATOR(E##n, E, n, +) MSL_VECTOR_OPERATOR(E##n, E, n, -)                        \
  MSL_VECTOR_OPERATOR(E##n, E, n, *) MSL_VECTOR_OPERATOR(E##n, E, n, /)
#define MSL_BITS(E, n)                                                                         \
  MSL_VECTOR_OPERATOR(E##n, E, n, &) MSL_VECTOR_OPERATOR(E##n, E, n, |)                        \
  MSL_VECTOR_OPERATOR(E##n, E, n, ^) MSL_VECTOR_OPERATOR(E##n, E, n, <<)                       \
  MSL_VECTOR_OPERATOR(E##n, E, n, >>)
MSL_VECTOR(float, 2, a, a) MSL_VECTOR(float, 3, a, a, a) MSL_VECTOR(float, 4, a, a, a, a)
MSL_VECTOR(int, 2, a, a) MSL_VECTOR(int, 3, a, a, a) MSL_VECTOR(int, 4, a, a, a, a)
MSL_VECTOR(uint, 2, a, a) MSL_VECTOR(uint, 3, a, a, a) MSL_VECTOR(uint, 4, a, a, a, a)
MSL_BITS(int, 2) MSL_BITS(int, 3) MSL_BITS(int, 4)
MSL_BITS(uint, 2) MSL_BITS(uint, 3) MSL_BITS(uint, 4)
#undef MSL_EACH_2
#undef MSL_EACH_3
#undef MSL_EACH_4
#undef MSL_VECTOR_OPERATOR
#undef MSL_VECTOR
#undef MSL_BITS

namespace metal {
#define MSL_NAMES(E)                                                                           \
  using ::E##2; using ::E##3; using ::E##4;                                                    \
  using ::make_##E##2; using ::make_##E##3; using ::make_##E##4;
using ::half; using ::float16_t; using ::bfloat; using ::bfloat16_t;
MSL_NAMES(float) MSL_NAMES(int) MSL_NAMES(uint)
#undef MSL_NAMES
}  // namespace metal

// `float4(x, y, z, w)` makes one in Metal; as a type the name stays what it is.
#define float2(...) make_float2(__VA_ARGS__)
#define float3(...) make_float3(__VA_ARGS__)
#define float4(...) make_float4(__VA_ARGS__)
#define int2(...) make_int2(__VA_ARGS__)
#define int3(...) make_int3(__VA_ARGS__)
#define int4(...) make_int4(__VA_ARGS__)
#define uint2(...) make_uint2(__VA_ARGS__)
#define uint3(...) make_uint3(__VA_ARGS__)
#define uint4(...) make_uint4(__VA_ARGS__)

// ---- mathematics ---------------------------------------------------------------------------------

// Templates, so that without `metal::` CUDA's own function of float wins instead of being a rival.
namespace metal {

#define MSL_UNARY(name, expression)                                                            \
  template <class T, enable<is_float<T>> = 0> METAL_FUNC T name(T narrow) {                    \
    float x = static_cast<float>(narrow);                                                      \
    return static_cast<T>(expression);                                                         \
  }
#define MSL_BINARY(name, expression)                                                           \
  template <class T, enable<is_float<T>> = 0> METAL_FUNC T name(T a, T b) {                    \
    float x = static_cast<float>(a), y = static_cast<float>(b);                                \
    return static_cast<T>(expression);                                                         \
  }
MSL_UNARY(acos, ::acosf(x)) MSL_UNARY(asin, ::asinf(x)) MSL_UNARY(atan, ::atanf(x))
MSL_UNARY(ceil, ::ceilf(x)) MSL_UNARY(cos, ::cosf(x)) MSL_UNARY(cosh, ::coshf(x))
MSL_UNARY(exp, ::expf(x)) MSL_UNARY(exp2, ::exp2f(x)) MSL_UNARY(exp10, ::exp10f(x))
MSL_UNARY(fabs, ::fabsf(x)) MSL_UNARY(floor, ::floorf(x)) MSL_UNARY(fract, x - ::floorf(x))
MSL_UNARY(log, ::logf(x)) MSL_UNARY(log2, ::log2f(x)) MSL_UNARY(log10, ::log10f(x))
MSL_UNARY(rint, ::rintf(x)) MSL_UNARY(round, ::roundf(x)) MSL_UNARY(rsqrt, ::rsqrtf(x))
MSL_UNARY(sin, ::sinf(x)) MSL_UNARY(sinh, ::sinhf(x)) MSL_UNARY(sqrt, ::sqrtf(x))
MSL_UNARY(tan, ::tanf(x)) MSL_UNARY(tanh, ::tanhf(x)) MSL_UNARY(trunc, ::truncf(x))
MSL_UNARY(sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? x : 0.0f)
MSL_UNARY(saturate, ::fminf(::fmaxf(x, 0.0f), 1.0f))
MSL_BINARY(atan2, ::atan2f(x, y)) MSL_BINARY(copysign, ::copysignf(x, y))
MSL_BINARY(fmax, ::fmaxf(x, y)) MSL_BINARY(fmin, ::fminf(x, y)) MSL_BINARY(fmod, ::fmodf(x, y))
MSL_BINARY(pow, ::powf(x, y)) MSL_BINARY(powr, ::powf(x, y)) MSL_BINARY(divide, x / y)
#undef MSL_UNARY
#undef MSL_BINARY

#define MSL_TRUTH(name, expression)                                                            \
  template <class T, enable<is_float<T>> = 0> METAL_FUNC bool name(T narrow) {                 \
    float x = static_cast<float>(narrow);                                                      \
    return expression;                                                                         \
  }
MSL_TRUTH(isnan, x != x) MSL_TRUTH(isinf, ::fabsf(x) == INFINITY)
MSL_TRUTH(isfinite, ::fabsf(x) < INFINITY)
#undef MSL_TRUTH

template <class T, enable<is_float<T>> = 0> METAL_FUNC T fma(T a, T b, T c) {
  return static_cast<T>(
      ::fmaf(static_cast<float>(a), static_cast<float>(b), static_cast<float>(c)));
}
template <class T> METAL_FUNC T max(T a, T b) {
  if constexpr (is_float<T>) return fmax(a, b);
  else return a < b ? b : a;
}
template <class T> METAL_FUNC T min(T a, T b) {
  if constexpr (is_float<T>) return fmin(a, b);
  else return b < a ? b : a;
}
template <class T> METAL_FUNC T abs(T x) {
  if constexpr (is_float<T>) return fabs(x);
  else return x < T(0) ? T(-x) : x;
}
template <class T> METAL_FUNC T clamp(T x, T low, T high) {
  return metal::min(metal::max(x, low), high);
}
template <class T> METAL_FUNC T select(T a, T b, bool second) { return second ? b : a; }
template <class T, enable<is_integer<T>> = 0> METAL_FUNC T popcount(T x) {
  if constexpr (sizeof(T) == 8) return T(__popcll(x));
  else return T(__popc(uint(x) & (~0u >> (32 - 8 * sizeof(T)))));
}
METAL_FUNC float dot(float2 a, float2 b) { return a.x * b.x + a.y * b.y; }
METAL_FUNC float dot(float3 a, float3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
METAL_FUNC float dot(float4 a, float4 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}

#define MSL_MATHEMATICS                                                                        \
  using metal::acos; using metal::asin; using metal::atan; using metal::atan2;                 \
  using metal::ceil; using metal::copysign; using metal::cos; using metal::cosh;               \
  using metal::divide; using metal::exp; using metal::exp10; using metal::exp2;                \
  using metal::fabs; using metal::abs; using metal::floor; using metal::fma;                   \
  using metal::fmax; using metal::fmin; using metal::fmod; using metal::fract;                 \
  using metal::isfinite; using metal::isinf; using metal::isnan; using metal::log;             \
  using metal::log10; using metal::log2; using metal::max; using metal::min; using metal::pow; \
  using metal::powr; using metal::rint; using metal::round; using metal::rsqrt;                \
  using metal::saturate; using metal::sign; using metal::sin; using metal::sinh;               \
  using metal::sqrt; using metal::tan; using metal::tanh; using metal::trunc;                  \
  using metal::clamp;
namespace fast { MSL_MATHEMATICS }
namespace precise { MSL_MATHEMATICS }
#undef MSL_MATHEMATICS

// ---- barriers and SIMD functions -----------------------------------------------------------------

enum class mem_flags : unsigned {
  mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4,
};
METAL_FUNC constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(unsigned(a) | unsigned(b));
}
METAL_FUNC void threadgroup_barrier(mem_flags) { __syncthreads(); }
METAL_FUNC void simdgroup_barrier(mem_flags) { __syncwarp(); }

#define MSL_ALL_LANES 0xffffffffu
#define MSL_LANE                                                                               \
  ((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32u)
template <class T> METAL_FUNC T simd_shuffle(T own, ushort source) {
  return T(__shfl_sync(MSL_ALL_LANES, own, source));
}
template <class T> METAL_FUNC T simd_broadcast(T own, ushort source) {
  return metal::simd_shuffle(own, source);
}
template <class T> METAL_FUNC T simd_broadcast_first(T own) {
  return metal::simd_shuffle(own, ushort(0));
}
template <class T> METAL_FUNC T simd_shuffle_xor(T own, ushort mask) {
  return T(__shfl_xor_sync(MSL_ALL_LANES, own, mask));
}
template <class T> METAL_FUNC T simd_shuffle_down(T own, ushort by) {
  return T(__shfl_down_sync(MSL_ALL_LANES, own, by));
}
template <class T> METAL_FUNC T simd_shuffle_up(T own, ushort by) {
  return T(__shfl_up_sync(MSL_ALL_LANES, own, by));
}
METAL_FUNC bool simd_all(bool truth) { return __all_sync(MSL_ALL_LANES, truth); }
METAL_FUNC bool simd_any(bool truth) { return __any_sync(MSL_ALL_LANES, truth); }
METAL_FUNC bool simd_is_first() { return MSL_LANE == 0; }

// Every lane gets the result, added up as a tree: 16 lanes apart, then 8, 4, 2 and 1.
#define MSL_REDUCTION(name, expression)                                                        \
  template <class T> METAL_FUNC T name(T a) {                                                  \
    for (ushort apart = 16; apart > 0; apart /= 2) {                                           \
      T b = metal::simd_shuffle_xor(a, apart);                                                 \
      a = T(expression);                                                                       \
    }                                                                                          \
    return a;                                                                                  \
  }
MSL_REDUCTION(simd_sum, a + b)
MSL_REDUCTION(simd_product, a * b)
MSL_REDUCTION(simd_max, metal::max(a, b))
MSL_REDUCTION(simd_min, metal::min(a, b))
MSL_REDUCTION(simd_and, a & b)
MSL_REDUCTION(simd_or, a | b)
MSL_REDUCTION(simd_xor, a ^ b)
#undef MSL_REDUCTION

template <class T> METAL_FUNC T simd_prefix_inclusive_sum(T own) {
  for (ushort by = 1; by < 32; by *= 2) {
    T before = metal::simd_shuffle_up(own, by);
    if (MSL_LANE >= by) own = T(own + before);
  }
  return own;
}
template <class T> METAL_FUNC T simd_prefix_exclusive_sum(T own) {
  T before = metal::simd_shuffle_up(metal::simd_prefix_inclusive_sum(own), ushort(1));
  return MSL_LANE == 0 ? T(0) : before;
}
#undef MSL_LANE
#undef MSL_ALL_LANES

}  // namespace metal

using namespace metal;
