"""Programs are made once, kept by what they are made from, and never mixed up."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlx.core as mx
import pytest

from mlxbench.errors import MlxbenchError
from mlxbench.lab.msl import Checks, building
from tests.lab.msl.cases import Case

ROOT = Path(__file__).parents[3]


def programs() -> set[str]:
    return {path.name for path in building.cache().iterdir() if path.is_file()}


def test_the_second_call_compiles_nothing() -> None:
    case = Case(source="y[i] = x[i] + 41;")
    first, second = case.examine(), case.examine()
    assert (first.n_compiled, second.n_compiled) == (2, 0)
    assert second.outputs is not None
    assert second.outputs[0][1].item() == 42.0


def test_a_quick_look_compiles_one_program_and_the_close_look_the_other() -> None:
    quick = Checks(memory=False, house_rules=False)
    source = "y[i] = x[i] + 43;"
    assert Case(source=source, checks=quick).examine().n_compiled == 1
    assert Case(source=source).examine().n_compiled == 1


def test_kernels_of_one_name_do_not_collide() -> None:
    cases = [Case(source=f"y[i] = x[i] * {factor};") for factor in (2, 3)]
    for _ in range(2):
        assert [case.output()[1].item() for case in cases] == [2.0, 3.0]


def test_one_source_with_other_template_arguments_is_another_program() -> None:
    cases = [Case(source="y[i] = x[i] * N;", template=[("N", n)]) for n in (5, 6)]
    assert [case.output()[1].item() for case in cases] == [5.0, 6.0]


def test_shapes_that_the_source_does_not_depend_on_share_a_program() -> None:
    assert Case(source="y[i] = x[i] + 44;").examine().n_compiled == 2
    assert Case(source="y[i] = x[i] + 44;", n_inputs=128).examine().n_compiled == 0


def test_a_kernel_that_does_not_compile_leaves_nothing_behind() -> None:
    Case(source="y[i] = 0;").output()
    before = programs()
    Case(source="y[i] = nothing;").findings()
    assert programs() == before
    assert all(path.name != "kernel.cpp" for path in building.cache().rglob("*.cpp"))


def test_a_damaged_program_is_an_error_that_says_what_to_do() -> None:
    before = programs()
    case = Case(source="y[i] = x[i] + 45;", checks=Checks(memory=False, house_rules=False))
    case.output()
    (made,) = programs() - before
    path = building.cache() / made
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o755)
    with pytest.raises(MlxbenchError, match="delete that file; it is made again"):
        case.output()
    path.unlink()
    assert case.output()[1].item() == 46.0


SCRIPT = """
from tests.lab.msl.cases import Case
print(Case(source="y[i] = x[i] + 1;").output()[5].item())
"""


def test_two_processes_that_start_with_an_empty_cache_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLXBENCH_HOME", str(tmp_path))

    def once(_: int) -> str:
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(once, range(2))) == ["6.0\n"] * 2
    assert not [path for path in building.cache().iterdir() if path.name.startswith("tmp")]


def test_the_runtime_is_compiled_once_for_each_compiler_and_whole() -> None:
    Case(source="y[i] = 0;").output()
    folders = list(building.cache().glob("runtime-*"))
    sources = {path.stem for path in building.NATIVE.glob("*.cpp")}
    assert 1 <= len(folders) <= 2  # clang's, ziglang's
    for folder in folders:
        assert {path.stem for path in folder.glob("*.o")} == sources


def test_unicode_in_a_source_is_no_trouble() -> None:
    case = Case(source="// Σ ≤ 2⁻²⁴ “quoted”\ny[i] = x[i];")
    assert mx.array_equal(case.output(), mx.arange(64))
