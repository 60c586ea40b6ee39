"""Which clang is taken, what is said without one, and that the one of `ziglang` does it all."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest

from mlxbench.errors import InputError
from mlxbench.lab.msl import Kind, compiler, examine
from tests.lab.msl.cases import BARRIER, Case

DEBIAN = "Debian clang version {}.1.7 (3~deb12u1)"


def pretend(folder: Path, name: str, version: str) -> None:
    """A command that answers `--version`."""
    command = folder / name
    command.write_text(f"#!/bin/sh\necho '{version}'\n")
    command.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path, and no compiler named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(compiler.VARIABLE, raising=False)
    return tmp_path


def test_the_newest_clang_on_the_path_is_taken(path: Path) -> None:
    pretend(path, "clang++", DEBIAN.format(19))
    pretend(path, "clang++-19", DEBIAN.format(19))
    pretend(path, "clang++-21", DEBIAN.format(21))
    found = compiler.find()
    assert found.command == (str(path / "clang++-21"),)
    assert found.version == DEBIAN.format(21)


def test_a_clang_without_a_number_in_its_name_will_do(path: Path) -> None:
    pretend(path, "clang++", DEBIAN.format(20))
    assert compiler.find().command == (str(path / "clang++"),)


@pytest.mark.parametrize("version", [DEBIAN.format(18), "Apple clang version 21.0.0", "g++ 14.2.0"])
def test_ziglang_is_taken_where_nothing_else_will_do(path: Path, version: str) -> None:
    pretend(path, "clang++", version)
    assert compiler.find() == compiler.of_ziglang()


def test_a_compiler_that_was_named_is_taken_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(path, "clang++-22", DEBIAN.format(22))
    pretend(path, "mine", DEBIAN.format(19))
    monkeypatch.setenv(compiler.VARIABLE, str(path / "mine"))
    assert compiler.find().command == (str(path / "mine"),)


def test_a_named_compiler_that_will_not_do_is_an_error_with_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(path, "clang++-22", DEBIAN.format(22))
    monkeypatch.setenv(compiler.VARIABLE, "/nowhere/clang")
    with pytest.raises(InputError, match=r"MLXBENCH_CLANG is '/nowhere/clang'.*ziglang"):
        compiler.find()


def test_without_any_compiler_the_error_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "of_ziglang", lambda: None)
    compiler._find.cache_clear()
    with pytest.raises(InputError, match=r"none was found; .*pip install ziglang.*MLXBENCH_CLANG"):
        compiler.find()
    compiler._find.cache_clear()


def test_the_clang_of_ziglang_compiles_runs_and_watches() -> None:
    zig = compiler.of_ziglang()
    assert zig is not None, "pip install ziglang"
    right = Case(
        source="threadgroup half part[2];\n"
        "half sum = simd_sum(half(x[i]));\nif (lane == 0) part[sg] = sum;\n"
        f"{BARRIER}\ny[i] = bfloat(float(part[0])) + metal::exp(part[1] - part[1]);"
    )
    inputs = [mx.ones(64)]
    outcome = examine(right.kernel(), inputs, right.launch(), clang=zig)
    assert outcome.findings == ()
    assert outcome.outputs is not None
    assert outcome.outputs[0].tolist() == [33.0] * 64
    racy = Case(source=right.source.replace(BARRIER, ""))
    found = examine(racy.kernel(), inputs, racy.launch(), clang=zig).findings
    assert (found[0].kind, found[0].place and found[0].place.line) == (Kind.RACE, 5)
