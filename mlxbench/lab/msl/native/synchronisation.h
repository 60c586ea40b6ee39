// Barriers, and SIMD functions: every lane that has not returned must reach the same call.
//
// Reductions combine lanes as a tree, in the type of their argument: sums of `uchar` wrap at 8
// bits. A `bool` counts as `int`, for Metal has no SIMD functions of `bool` and promotes. In which
// order a GPU adds is its own affair, so the last bits of a sum may differ there.
#pragma once
#include "mathematics.h"

namespace metal {

enum class mem_flags : unsigned {
  mem_none = 0, mem_device = 1, mem_threadgroup = 2, mem_texture = 4,
};
constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(unsigned(a) | unsigned(b));
}
constexpr mem_flags operator&(mem_flags a, mem_flags b) {
  return mem_flags(unsigned(a) & unsigned(b));
}
MSL_INLINE void threadgroup_barrier(mem_flags flags, MSL_SITE) {
  mslrt::threadgroup_barrier(unsigned(flags), site);
}
MSL_INLINE void simdgroup_barrier(mem_flags flags, MSL_SITE) {
  mslrt::simdgroup_barrier(unsigned(flags), site);
}

namespace lanes {

template <class T> struct promoted { using type = T; };
template <> struct promoted<bool> { using type = int; };
template <class T> using promoted_t = typename promoted<T>::type;

template <class T> MSL_INLINE mslrt::Exchange exchange(T value, const char* name,
                                                       const mslrt::Site& site) {
  static_assert(sizeof(T) <= mslrt::MAX_EXCHANGED_BYTES,
                "not supported by msl-cpu: SIMD functions of values above 16 bytes");
  return mslrt::exchange(&value, sizeof value, name, site);
}
MSL_INLINE bool active(const mslrt::Exchange& all, uint lane) { return all.active >> lane & 1; }
template <class T> MSL_INLINE T value(const mslrt::Exchange& all, uint lane) {
  T result;
  __builtin_memcpy(&result, all.values[lane], sizeof result);
  return result;
}

// Over the active lanes: 16 apart, then 8, 4, 2 and 1.
template <class T, class F> inline T reduce(const mslrt::Exchange& all, F combine) {
  T values[mslrt::SIMD_WIDTH];
  bool there[mslrt::SIMD_WIDTH];
  for (uint i = 0; i < mslrt::SIMD_WIDTH; i++) {
    there[i] = active(all, i);
    values[i] = there[i] ? value<T>(all, i) : T(0);
  }
  for (uint apart = mslrt::SIMD_WIDTH / 2; apart > 0; apart /= 2) {
    for (uint i = 0; i < apart; i++) {
      if (there[i] && there[i + apart]) values[i] = combine(values[i], values[i + apart]);
      else if (there[i + apart]) values[i] = values[i + apart], there[i] = true;
    }
  }
  return values[0];
}

// Over the active lanes below `end`, in their order.
template <class T, class F>
inline T scan(const mslrt::Exchange& all, uint end, T start, F combine) {
  T result = start;
  for (uint i = 0; i < end; i++)
    if (active(all, i)) result = combine(result, value<T>(all, i));
  return result;
}

template <class T>
MSL_INLINE T pick(T own, uint source, const char* name, const mslrt::Site& site) {
  mslrt::Exchange all = exchange(own, name, site);
  if (source >= mslrt::SIMD_WIDTH || !active(all, source))
    mslrt::inactive_lane(name, source, site);
  return value<T>(all, source);
}

template <class T> constexpr bool is_wide_integer =
    is_integral_v<element_t<T>> && sizeof(element_t<T>) == 8;

}  // namespace lanes

#define MSL_REDUCTION(name, expression)                                                     \
  template <class T> MSL_INLINE lanes::promoted_t<T> name(T own, MSL_SITE) {                \
    using P = lanes::promoted_t<T>;                                                         \
    static_assert(!lanes::is_wide_integer<P>, "Metal has no " #name " of 64-bit integers"); \
    auto all = lanes::exchange(P(own), #name, site);                                        \
    return lanes::reduce<P>(all, [](P a, P b) { return P(expression); });                   \
  }
MSL_REDUCTION(simd_sum, a + b)
MSL_REDUCTION(simd_product, a * b)
MSL_REDUCTION(simd_max, max(a, b))
MSL_REDUCTION(simd_min, min(a, b))
MSL_REDUCTION(simd_and, a & b)
MSL_REDUCTION(simd_or, a | b)
MSL_REDUCTION(simd_xor, a ^ b)
#undef MSL_REDUCTION

#define MSL_SCAN(name, start, expression, end)                                              \
  template <class T> MSL_INLINE lanes::promoted_t<T> name(T own, MSL_SITE) {                \
    using P = lanes::promoted_t<T>;                                                         \
    static_assert(!lanes::is_wide_integer<P>, "Metal has no " #name " of 64-bit integers"); \
    auto all = lanes::exchange(P(own), #name, site);                                        \
    return lanes::scan<P>(all, end, P(start), [](P a, P b) { return P(expression); });      \
  }
MSL_SCAN(simd_prefix_exclusive_sum, 0, a + b, mslrt::lane())
MSL_SCAN(simd_prefix_inclusive_sum, 0, a + b, mslrt::lane() + 1)
MSL_SCAN(simd_prefix_exclusive_product, 1, a * b, mslrt::lane())
MSL_SCAN(simd_prefix_inclusive_product, 1, a * b, mslrt::lane() + 1)
#undef MSL_SCAN

template <class T> MSL_INLINE T simd_shuffle(T own, ushort source, MSL_SITE) {
  return lanes::pick(own, source, "simd_shuffle", site);
}
template <class T> MSL_INLINE T simd_broadcast(T own, ushort source, MSL_SITE) {
  return lanes::pick(own, source, "simd_broadcast", site);
}
template <class T> MSL_INLINE T simd_shuffle_xor(T own, ushort mask, MSL_SITE) {
  return lanes::pick(own, mslrt::lane() ^ mask, "simd_shuffle_xor", site);
}
// Past either end a lane keeps its own value; the `rotate` forms wrap around instead.
template <class T> MSL_INLINE T simd_shuffle_down(T own, ushort by, MSL_SITE) {
  uint me = mslrt::lane(), from = me + by;
  return lanes::pick(own, from < mslrt::SIMD_WIDTH ? from : me, "simd_shuffle_down", site);
}
template <class T> MSL_INLINE T simd_shuffle_up(T own, ushort by, MSL_SITE) {
  uint me = mslrt::lane();
  return lanes::pick(own, me >= by ? me - by : me, "simd_shuffle_up", site);
}
template <class T> MSL_INLINE T simd_shuffle_rotate_down(T own, ushort by, MSL_SITE) {
  uint from = (mslrt::lane() + by) % mslrt::SIMD_WIDTH;
  return lanes::pick(own, from, "simd_shuffle_rotate_down", site);
}
template <class T> MSL_INLINE T simd_shuffle_rotate_up(T own, ushort by, MSL_SITE) {
  uint from = (mslrt::lane() + mslrt::SIMD_WIDTH - by % mslrt::SIMD_WIDTH) % mslrt::SIMD_WIDTH;
  return lanes::pick(own, from, "simd_shuffle_rotate_up", site);
}
// Past either end the lanes shift `filling` in: of the upper or the lower lanes of that value.
template <class T> MSL_INLINE T simd_shuffle_and_fill_down(T own, T filling, ushort by, MSL_SITE) {
  uint from = mslrt::lane() + by;
  T kept = lanes::pick(own, from % mslrt::SIMD_WIDTH, "simd_shuffle_and_fill_down", site);
  T filled = lanes::pick(filling, from % mslrt::SIMD_WIDTH, "simd_shuffle_and_fill_down", site);
  return from < mslrt::SIMD_WIDTH ? kept : filled;
}
template <class T> MSL_INLINE T simd_shuffle_and_fill_up(T own, T filling, ushort by, MSL_SITE) {
  uint me = mslrt::lane(), from = (me + mslrt::SIMD_WIDTH - by) % mslrt::SIMD_WIDTH;
  T kept = lanes::pick(own, from, "simd_shuffle_and_fill_up", site);
  T filled = lanes::pick(filling, from, "simd_shuffle_and_fill_up", site);
  return me >= by ? kept : filled;
}
template <class T> MSL_INLINE T simd_broadcast_first(T own, MSL_SITE) {
  auto all = lanes::exchange(own, "simd_broadcast_first", site);
  return lanes::value<T>(all, __builtin_ctz(all.active));
}

// ---- votes -----------------------------------------------------------------------------------

struct simd_vote {
  typedef uint64_t vote_t;
  vote_t votes;
  uint32_t voters;
  explicit operator vote_t() const { return votes; }
  bool all() const { return votes == voters; }
  bool any() const { return votes != 0; }
};
MSL_INLINE simd_vote lanes_vote(bool own, const char* name, const mslrt::Site& site) {
  auto everybody = lanes::exchange(own, name, site);
  simd_vote result = {0, everybody.active};
  for (uint i = 0; i < mslrt::SIMD_WIDTH; i++)
    if (lanes::active(everybody, i) && lanes::value<bool>(everybody, i)) result.votes |= 1ul << i;
  return result;
}
MSL_INLINE simd_vote simd_ballot(bool own, MSL_SITE) {
  return lanes_vote(own, "simd_ballot", site);
}
MSL_INLINE bool simd_any(bool own, MSL_SITE) { return lanes_vote(own, "simd_any", site).any(); }
MSL_INLINE bool simd_all(bool own, MSL_SITE) { return lanes_vote(own, "simd_all", site).all(); }
MSL_INLINE simd_vote simd_active_threads_mask(MSL_SITE) {
  return lanes_vote(true, "simd_active_threads_mask", site);
}
MSL_INLINE bool simd_is_first(MSL_SITE) {
  auto voters = lanes_vote(true, "simd_is_first", site).voters;
  return uint(__builtin_ctz(voters)) == mslrt::lane();
}

}  // namespace metal
