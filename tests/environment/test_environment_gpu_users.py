from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from mlxbench.environment import gpu_users
from mlxbench.environment.gpu_users import (
    GpuUse,
    GpuUser,
    parse_gpu_times,
    parse_nvidia_gpus,
    parse_nvidia_users,
    shares,
)
from tests.environment.recordings import FOLDER, recorded

BEFORE, AFTER = recorded("gpu_clients_before.txt"), recorded("gpu_clients_after.txt")
MIB = 1 << 20


def put_first(folder: Path, tool: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name, first on the PATH."""
    program = folder / tool
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_times_of_all_clients_of_a_process_are_added() -> None:
    assert parse_gpu_times(BEFORE) == {
        412: ("WindowServer", 73_000_000_000),
        980: ("Google Chrome He", 500_000_000),
        1201: ("Finder", 0),
        2044: ("ollama_llama_ser", 90_000_000_000),
    }


def test_a_share_is_the_time_used_between_two_readings() -> None:
    found = shares(parse_gpu_times(BEFORE), parse_gpu_times(AFTER), 0.5, own_pid=1)

    assert [user.name for user in found] == ["ollama_llama_ser", "WindowServer"]
    assert [user.share for user in found] == [pytest.approx(0.86), pytest.approx(0.02)]


def test_neither_this_process_nor_one_that_began_between_the_readings_is_another_user() -> None:
    before, after = (
        {7: ("own", 0), 8: ("other", 0)},
        {7: ("own", 100), 8: ("other", 50), 9: ("n", 9)},
    )

    assert [user.name for user in shares(before, after, 1e-6, own_pid=7)] == ["other"]


def test_no_share_is_more_than_the_whole_and_no_time_gives_none() -> None:
    before, after = {8: ("other", 0)}, {8: ("other", 10**18)}

    assert shares(before, after, 0.5, own_pid=7) == (GpuUser("other", 1.0),)
    assert shares(before, after, 0.0, own_pid=7) == ()


def test_a_mac_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        'test "$*" = "-r -l -w 0 -c IOAccelerator" || exit 1\n'
        f"if test -e '{tmp_path}/second'; then cat '{FOLDER}/gpu_clients_after.txt'; else\n"
        f"touch '{tmp_path}/second'; cat '{FOLDER}/gpu_clients_before.txt'; fi"
    )
    put_first(tmp_path, "ioreg", script, monkeypatch)

    users = gpu_users.mac_gpu_use().users

    assert users is not None
    assert [user.name for user in users] == ["ollama_llama_ser", "WindowServer"]
    assert 0.3 < (users[0].share or 0.0) <= 0.87  # a slow machine waits longer between readings


def test_the_gpus_of_nvidia_are_named_and_the_busiest_counts() -> None:
    assert parse_nvidia_gpus(recorded("nvidia_gpus.csv")) == (("NVIDIA H100 80GB HBM3",) * 2, 0.37)
    assert parse_nvidia_gpus("NVIDIA GB10, [N/A]\n") == (("NVIDIA GB10",), None)


def test_processes_are_named_without_their_folders_and_the_largest_comes_first() -> None:
    assert parse_nvidia_users(recorded("nvidia_users.csv"), own_pid=1) == (
        GpuUser("ollama", memory_bytes=19531 * MIB),
        GpuUser("python3", memory_bytes=1024 * MIB),
        GpuUser("a, b.exe"),
    )


def test_this_process_is_no_other_user_of_an_nvidia_gpu() -> None:
    found = parse_nvidia_users(recorded("nvidia_users.csv"), own_pid=77)

    assert found is not None
    assert "ollama" not in [user.name for user in found]


def test_nobody_is_not_the_same_as_unknown() -> None:
    assert parse_nvidia_users("", own_pid=1) == ()
    assert parse_nvidia_users(None, own_pid=1) is None


def test_nvidias_tool_is_asked_for_gpus_and_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'case "$*" in\n'
        "'--query-gpu=name,utilization.gpu --format=csv,noheader,nounits')"
        f" cat '{FOLDER}/nvidia_gpus.csv';;\n"
        "'--query-compute-apps=pid,process_name,used_memory --format=csv,noheader,nounits')"
        f" cat '{FOLDER}/nvidia_users.csv';;\n"
        "*) exit 1;; esac"
    )
    put_first(tmp_path, "nvidia-smi", script, monkeypatch)

    found = gpu_users.nvidia_gpu_use()

    assert found.nvidia[0] == "NVIDIA H100 80GB HBM3"
    assert found.utilisation == 0.37
    assert len(found.users or ()) == 3
    assert "canary" not in repr(found)


def test_a_machine_without_the_tools_is_merely_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpu_users.mac_gpu_use() == gpu_users.nvidia_gpu_use() == GpuUse()


def test_damaged_texts_give_no_error_and_no_impossible_figure() -> None:
    chance = random.Random(7)
    gpus, users = recorded("nvidia_gpus.csv"), recorded("nvidia_users.csv")
    for _ in range(400):
        before, after, csv, apps = (damaged(text, chance) for text in (BEFORE, AFTER, gpus, users))
        for user in shares(parse_gpu_times(before), parse_gpu_times(after), 0.5, own_pid=1):
            assert user.name
            assert 0 < (user.share or 0.0) <= 1
        _, busy = parse_nvidia_gpus(csv)
        assert busy is None or 0 <= busy <= 1
        for user in parse_nvidia_users(apps, own_pid=1) or ():
            assert user.name
            assert "/" not in user.name


def damaged(text: str, chance: random.Random) -> str:
    """`text` cut, with characters replaced, or with a part of it twice."""
    for _ in range(chance.randrange(1, 6)):
        at, until = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        odd = chance.choice(["", "9" * 30, '"', "\x00", "\x1b[31m", "\n", ",", "٣", text[at:until]])
        text = text[:at] + odd + text[chance.choice([at, until]) :]
    return text
