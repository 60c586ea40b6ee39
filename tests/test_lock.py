from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
import pytest

from mlxbench.errors import EXIT_BUSY, BusyError, MeasurementError
from mlxbench.lock import HOLDER_VARIABLE, LOCK_PATH, accelerator_lock

SLEEP = shutil.which("sleep")
PROCESSES = 4
ROUNDS = 50

HOLD = """
import pathlib, sys
from mlxbench.lock import accelerator_lock
with accelerator_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

TRY = """
import pathlib, sys
from mlxbench.errors import MlxbenchError
from mlxbench.lock import accelerator_lock
try:
    with accelerator_lock(pathlib.Path(sys.argv[1])):
        print("held")
except MlxbenchError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(HOLDER_VARIABLE, raising=False)
    return tmp_path / "mlxbench.lock"


@contextmanager
def other_holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def try_elsewhere(path: Path, holder: str | None = None) -> subprocess.CompletedProcess[str]:
    """Take the lock in a new process, with this process's own environment or a given holder."""
    environment = dict(os.environ) if holder is None else {**os.environ, HOLDER_VARIABLE: holder}
    return subprocess.run(
        [sys.executable, "-c", TRY, str(path)], capture_output=True, text=True, env=environment
    )


def contend(path: Path, barrier: Barrier) -> bool:
    """One round: all try at once, and who won holds on until all have tried."""
    barrier.wait()
    try:
        with accelerator_lock(path):
            barrier.wait()
            return True
    except BusyError:
        barrier.wait()
        return False
    finally:
        barrier.wait()


def report_wins(
    path: Path, barrier: Barrier, answers: multiprocessing.SimpleQueue[list[bool]]
) -> None:
    answers.put([contend(path, barrier) for _ in range(ROUNDS)])


def test_of_four_processes_exactly_one_wins_each_of_fifty_rounds(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES, timeout=60)
    answers: multiprocessing.SimpleQueue[list[bool]] = context.SimpleQueue()
    processes = [
        context.Process(target=report_wins, args=(path, barrier, answers)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * PROCESSES
    wins = [answers.get() for _ in processes]
    assert [sum(one_round) for one_round in zip(*wins, strict=True)] == [1] * ROUNDS


def test_the_second_is_told_who_holds_the_accelerator(path: Path) -> None:
    with other_holder(path) as holder, pytest.raises(BusyError) as busy, accelerator_lock(path):
        pass

    assert f"(pid {holder.pid})" in str(busy.value)
    assert busy.value.exit_code == EXIT_BUSY
    assert "\n" not in str(busy.value)


def test_killing_the_holder_frees_the_lock(path: Path) -> None:
    with other_holder(path) as holder:
        holder.kill()
        holder.wait()

    assert path.read_text().startswith(f"{holder.pid} ")
    with accelerator_lock(path):
        pass


def test_the_lock_can_be_taken_again_after_an_error_under_it(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), accelerator_lock(path):
        _ = 1 / 0

    assert try_elsewhere(path).stdout == "held\n"
    assert HOLDER_VARIABLE not in os.environ


def test_a_child_of_the_holder_goes_on_under_its_parents_lock(path: Path) -> None:
    with accelerator_lock(path):
        assert try_elsewhere(path).stdout == "held\n"
        with accelerator_lock(path):
            assert try_elsewhere(path).stdout == "held\n"
        assert try_elsewhere(path, holder="").returncode == EXIT_BUSY


def test_a_forged_or_outdated_holder_does_not_pass(path: Path) -> None:
    with accelerator_lock(path):
        outdated = os.environ[HOLDER_VARIABLE]
    with accelerator_lock(path):
        for holder in (outdated, str(os.getpid()), f"{os.getpid()} 0", f"{os.getpid()} "):
            assert try_elsewhere(path, holder).returncode == EXIT_BUSY


def test_a_worker_that_outlives_its_parent_takes_the_lock_itself(path: Path) -> None:
    with other_holder(path) as holder:
        record = path.read_text()
        holder.kill()
        holder.wait()
    with accelerator_lock(path):
        assert try_elsewhere(path, record).returncode == EXIT_BUSY

    assert try_elsewhere(path, record).stdout == "held\n"


def test_every_user_may_use_the_file_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with accelerator_lock(path):
            pass
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o666


def test_a_file_full_of_nonsense_is_no_obstacle(path: Path) -> None:
    path.write_bytes(b"\xff\n" * 1000)

    with accelerator_lock(path):
        assert path.read_text() == os.environ[HOLDER_VARIABLE]
    assert path.read_text() == ""


def test_what_cannot_be_a_lock_file_is_refused_in_one_line(path: Path) -> None:
    folder = path.parent
    for target in ("file", "other"):
        (folder / target).write_text("precious")
    (folder / "symbolic").symlink_to(folder / "file")
    (folder / "hard").hardlink_to(folder / "other")
    os.mkfifo(folder / "pipe")

    for bad in ("symbolic", "hard", "pipe", "missing/lock", "."):
        with pytest.raises(MeasurementError) as refused, accelerator_lock(folder / bad):
            pass
        assert str(folder / bad) in str(refused.value)
        assert "\n" not in str(refused.value)
    assert (folder / "file").read_text() == (folder / "other").read_text() == "precious"


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH of what takes itself for a Mac."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def caffeinate(folder: Path, script: str) -> None:
    (folder / "caffeinate").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "caffeinate").chmod(0o755)


def test_a_mac_is_kept_awake_as_long_as_the_lock_is_held(path: Path, mac: Path) -> None:
    os.mkfifo(mac / "seen")
    caffeinate(mac, f'echo "$$ $*" > {mac}/seen; exec {SLEEP} 600')
    before = psutil.Process().children()
    with pytest.raises(ZeroDivisionError), accelerator_lock(path):
        (keeper,) = set(psutil.Process().children()) - set(before)
        assert (mac / "seen").read_text() == f"{keeper.pid} -dims -w {os.getpid()}\n"
        with accelerator_lock(path):  # one is enough
            assert set(psutil.Process().children()) == {*before, keeper}
        assert keeper.is_running()
        _ = 1 / 0

    assert not keeper.is_running()


@pytest.mark.parametrize("mode", [None, 0o644, 0o755])
def test_without_caffeinate_the_lock_is_held_all_the_same(
    path: Path, mac: Path, mode: int | None
) -> None:
    if mode is not None:
        caffeinate(mac, "exit 1")
        (mac / "caffeinate").chmod(mode)
    with accelerator_lock(path):
        assert path.read_text() == os.environ[HOLDER_VARIABLE]


def test_elsewhere_nothing_is_started(
    path: Path, mac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    caffeinate(mac, f"exec {SLEEP} 600")
    children = psutil.Process().children()
    with accelerator_lock(path):
        assert psutil.Process().children() == children


def test_no_variable_moves_the_lock() -> None:
    program = "from mlxbench.lock import LOCK_PATH; print(LOCK_PATH)"
    moved = dict.fromkeys(("HOME", "TMPDIR", "MLXBENCH_HOME", "XDG_RUNTIME_DIR"), "/elsewhere")
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **moved},
    )

    assert answer.stdout == f"{LOCK_PATH}\n"
    assert LOCK_PATH.parent.is_dir()
