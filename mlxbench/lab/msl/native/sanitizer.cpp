// What compiled kernels call besides the shim: the checks of -fsanitize (its minimal runtime is
// not installed everywhere), and conversions that old versions of libgcc lack.
#include <stdint.h>

#include "reports.h"

#define MSL_HANDLER(name, kind, message)                                     \
  extern "C" void __ubsan_handle_##name##_minimal() {                        \
    mslrt::stop(kind, mslrt::at_call(__builtin_return_address(0)), message); \
  }                                                                          \
  extern "C" void __ubsan_handle_##name##_minimal_abort() {                  \
    mslrt::stop(kind, mslrt::at_call(__builtin_return_address(0)), message); \
  }
MSL_HANDLER(out_of_bounds, "array-bounds", "uses an index outside of its array")
MSL_HANDLER(divrem_overflow, "arithmetic", "divides an integer by zero, or the result overflows")
MSL_HANDLER(shift_out_of_bounds, "arithmetic", "shifts by less than 0, or by the width or more")
#undef MSL_HANDLER

// float to bfloat, rounded to nearest, ties to even; a NaN stays a quiet NaN.
extern "C" __attribute__((weak)) __bf16 __truncsfbf2(float value) {
  uint32_t bits = __builtin_bit_cast(uint32_t, value);
  bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  uint32_t rounded = is_nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return __builtin_bit_cast(__bf16, uint16_t(rounded));
}
