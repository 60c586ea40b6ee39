// The Metal Shading Language on the CPU, as far as custom kernels use it. It stands in front of the
// text that mlx assembles; translating.py says what else happens to that text.
#pragma once
#include "types.h"
#include "mathematics.h"
#include "synchronisation.h"
#include "atomics.h"
#include "mlx_utils.h"

#ifdef MSL_CHECKED
extern "C" const bool msl_checked = true;
#else
extern "C" const bool msl_checked = false;
#endif

namespace mslrt {
inline metal::uint3 index(const Index3& i) { return metal::uint3{i.x, i.y, i.z}; }
}  // namespace mslrt

#pragma clang poison double  // Metal has none
