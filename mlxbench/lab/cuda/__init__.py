"""Metal source on CUDA: runs a kernel's logic on a real GPU, where there is no Metal.

`mx.fast.cuda_kernel` has the calling form of `mx.fast.metal_kernel`, and the two languages differ
in spelling more than in meaning. So a kernel's body is changed in a few words (`twin`) and stands
behind a header that knows Metal's types and functions (`prelude.h`): a twin, made from the same
file, never written by hand.

    kernel = cuda_kernel("twice", ["x"], ["y"],
                         "uint i = thread_position_in_grid.x; y[i] = 2 * x[i];")
    (y,) = kernel(inputs=[x], grid=(64, 1, 1), threadgroup=(32, 1, 1),
                  output_shapes=[(64,)], output_dtypes=[mx.float32])

What bites:
- Inputs without dimensions are references in Metal and pointers in CUDA: they must be named.
- Metal launches the very threads of a grid, CUDA whole blocks. Grids that are no multiple of the
  threadgroup are refused.
- SIMD functions of a twin take all 32 lanes. After an early return of some lanes of a SIMD group
  their values are undefined, where Metal leaves them out; so return whole SIMD groups or none.
- Pointers have no address space in CUDA: a mix-up that Metal refuses compiles here. `msl` sees it.
- The body is no template in CUDA: template arguments are constants inside it. So a branch of
  `if constexpr` that is not taken must compile too, and functions of the header cannot use them.
- The body stands in a namespace of mlx's, the header outside.
- Helpers with `inline` or `METAL_FUNC` are marked as functions of the device; that others are taken
  for such is an option that mlx gives the compiler.

What a right result does not say: anything about Metal's speed, its compiler, or its order of sums.
Not known to the header: atomics, simdgroup_matrix, swizzles beyond `.x`, vectors of 8 and 16 bits.
"""

from mlxbench.lab.cuda.drop_in import cuda_kernel
from mlxbench.lab.cuda.twin import Twin, twin

__all__ = ["Twin", "cuda_kernel", "twin"]
