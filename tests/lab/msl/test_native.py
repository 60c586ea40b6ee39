"""The C++ of the package: for both processors, and small enough to read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mlx.core as mx
import pytest

from mlxbench.lab.msl import assemble, building, compiler, translating
from tests.lab.msl.cases import BARRIER, Case

AARCH64 = 183  # EM_AARCH64 of the ELF specification
SOURCES = sorted(building.NATIVE.glob("*.cpp"))


def compile_for_aarch64(source: Path, module: Path, flags: tuple[str, ...]) -> int:
    """The machine that the object file is for."""
    zig = compiler.of_ziglang()  # which brings the headers of other processors along
    assert zig is not None
    command = [*zig.command, "--target=aarch64-linux-gnu", *flags, "-c", str(source)]
    subprocess.run([*command, "-o", str(module)], env=building.environment(), check=True)
    return int.from_bytes(module.read_bytes()[18:20], "little")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_runtime_compiles_for_aarch64(source: Path, tmp_path: Path) -> None:
    machine = compile_for_aarch64(source, tmp_path / "runtime.o", building.RUNTIME_FLAGS)
    assert machine == AARCH64


def test_a_kernel_compiles_for_aarch64(tmp_path: Path) -> None:
    case = Case(
        source=f"threadgroup half h[64];\nh[t] = x[i];\n{BARRIER}\n"
        "y[i] = bfloat(simd_sum(h[t]) * 1.5);"
    )
    assembled = assemble(case.kernel(), [mx.ones(64)], case.launch())
    source = tmp_path / "kernel.cpp"
    source.write_text(translating.translate("k", assembled))
    for way in (building.PLAIN_FLAGS, building.CHECKED_FLAGS):
        flags = (*building.KERNEL_FLAGS, *way)
        assert compile_for_aarch64(source, tmp_path / "kernel.o", flags) == AARCH64


def test_native_files_stay_small() -> None:
    files = [path for path in building.NATIVE.rglob("*") if path.is_file()]
    assert [path.name for path in files if len(path.read_text().splitlines()) > 350] == []
    assert len(files) > 15
