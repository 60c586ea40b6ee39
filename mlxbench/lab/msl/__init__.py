"""Metal source on the CPU: runs what `mx.fast.metal_kernel` runs, on Linux, and finds its faults.

mlx itself assembles the source (`assembling`); a few words of it are changed (`translating`); clang
compiles it (`building`) against a header that knows Metal's types and functions, and links it with
a runtime (`native/`) that runs one fiber per thread and watches every access to memory. Each run is
a process of its own (`running`).

    kernel = KernelSource(name="twice", input_names=["x"], output_names=["y"],
                          source="uint i = thread_position_in_grid.x; y[i] = 2 * x[i];")
    launch = Launch(grid=(64, 1, 1), threadgroup=(32, 1, 1),
                    output_shapes=[(64,)], output_dtypes=[mx.float32])
    (y,) = run(kernel, [x], launch)             # raises KernelError
    outcome = examine(kernel, [x], launch)      # findings as data
    with metal_on_cpu(): ...                    # somebody else's wrapper, unmodified

What a clean examination does not say: how fast the kernel is, whether Apple's compiler takes its
text, how the hardware orders its sums, or anything of inputs and launches that were not tried. Not
supported, and refused by name: simdgroup_matrix, textures, function constants, quadgroup functions,
packed vectors, complex numbers. Unsupported without a name: copies of whole structures out of
device or threadgroup memory, which do not compile. Unnoticed: accesses of vectors of four 64-bit
integers, and a race of an atomic load with a plain store.
"""

from mlxbench.lab.msl.assembling import AssemblyError, assemble
from mlxbench.lab.msl.drop_in import FOREIGN, metal_kernel, metal_on_cpu
from mlxbench.lab.msl.examining import Outcome, examine, run
from mlxbench.lab.msl.findings import Finding, KernelError, Kind, Place
from mlxbench.lab.msl.source import Checks, KernelSource, Launch

__all__ = [
    "FOREIGN",
    "AssemblyError",
    "Checks",
    "Finding",
    "KernelError",
    "KernelSource",
    "Kind",
    "Launch",
    "Outcome",
    "Place",
    "assemble",
    "examine",
    "metal_kernel",
    "metal_on_cpu",
    "run",
]
