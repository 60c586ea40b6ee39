from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from mlxbench.environment.memory import cgroup_limit_bytes, usable_memory_bytes

GIB = 1 << 30


def write_limit(path: Path, limit: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{limit}\n")


@pytest.mark.parametrize("backend", ["metal", "cuda"])
def test_a_gpu_may_use_what_its_device_says(backend: str) -> None:
    assert usable_memory_bytes(backend, 480 * GIB) == 480 * GIB
    assert usable_memory_bytes(backend, None) is None


def test_the_cpu_may_use_what_is_available_now() -> None:
    usable = usable_memory_bytes("cpu", None)

    assert usable is not None
    assert 0 < usable <= psutil.virtual_memory().total


def test_a_container_that_sees_its_group_as_the_top_is_held_to_its_limit(tmp_path: Path) -> None:
    write_limit(tmp_path / "memory.max", str(8 * GIB))

    assert cgroup_limit_bytes(tmp_path, "0::/\n") == 8 * GIB
    assert cgroup_limit_bytes(tmp_path, "0::/docker/unseen\n") == 8 * GIB


def test_the_tightest_limit_of_all_parents_counts(tmp_path: Path) -> None:
    write_limit(tmp_path / "user/memory.max", str(4 * GIB))
    write_limit(tmp_path / "user/session/memory.max", "max")

    assert cgroup_limit_bytes(tmp_path, "0::/user/session\n") == 4 * GIB


def test_a_version_1_group_is_found_among_the_other_controllers(tmp_path: Path) -> None:
    write_limit(tmp_path / "memory/docker/a/memory.limit_in_bytes", str(2 * GIB))
    write_limit(tmp_path / "memory/memory.limit_in_bytes", "9223372036854771712")

    membership = "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n0::/docker/a\n"
    assert cgroup_limit_bytes(tmp_path, membership) == 2 * GIB


@pytest.mark.parametrize("membership", [None, "", "no colons", "0::/", "4:memory:/a:b", "::\n:"])
def test_without_a_readable_limit_there_is_none(tmp_path: Path, membership: str | None) -> None:
    write_limit(tmp_path / "memory.max", "max")

    assert cgroup_limit_bytes(tmp_path, membership) is None
