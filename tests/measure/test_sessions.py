"""Sessions in worker processes: fresh, mortal, and never left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import psutil
import pytest

from mlxbench.errors import InputError, MeasurementError
from mlxbench.measure.comparing import Design, Event
from mlxbench.measure.interleaving import Turn
from mlxbench.measure.opening import opened
from mlxbench.measure.remote import Worker
from mlxbench.records import Completed, Target
from tests.measure.comparing_sim import TASK, Comparer, sim

A = sim("itl=0.010,machine=quiet/3")
FASTER = sim("itl=0.0095,machine=quiet/3")
DESIGN = Design("decode", seed=1, pairs=6, sessions=2)


def workers() -> list[psutil.Process]:
    """The worker processes that live now."""
    return [child for child in psutil.Process().children() if is_worker(child)]


def is_worker(process: psutil.Process) -> bool:
    return any("mlxbench.measure.worker" in argument for argument in process.cmdline())


def test_each_session_has_a_process_of_its_own_that_is_gone_afterwards(
    compared_in: Comparer,
) -> None:
    seen: set[int] = set()
    made = compared_in([A, FASTER], DESIGN, lambda _: seen.update(w.pid for w in workers()))
    assert len(seen) == 2
    assert workers() == []
    assert made.comparison.status == "done"
    assert [session.failure for session in made.comparison.sessions] == [None, None]


def test_every_session_measures_anew_and_is_in_the_store(compared_in: Comparer) -> None:
    made = compared_in([A, FASTER], DESIGN)
    first, second = made.trials(0, 0), made.trials(1, 0)
    assert len(first) == len(second) == 6
    stamps = [trial.stamps for trial in (*first, *second) if isinstance(trial, Completed)]
    assert len(set(stamps)) == 12
    assert [run.status for session in made.runs for run in session] == ["done"] * 4
    effect = made.findings[0].effect
    assert effect is not None
    assert (effect.sessions, effect.pairs) == (2, 12)


def test_the_same_seed_gives_the_same_trials_in_workers_too(compared_in: Comparer) -> None:
    one, two = (compared_in([A, FASTER], replace(DESIGN, pairs=4)) for _ in range(2))
    assert [one.trials(k, i) for k in (0, 1) for i in (0, 1)] == [
        two.trials(k, i) for k in (0, 1) for i in (0, 1)
    ]


def in_turn(number: int, action: Callable[[], None]) -> Callable[[Event], None]:
    """Does something right after so many measured trials."""
    seen = count(1)

    def on_event(event: Event) -> None:
        measured = isinstance(event, Turn) and event.record.phase == "measured"
        if measured and next(seen) == number:
            action()

    return on_event


def kill_the_worker() -> None:
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGKILL)


def test_a_killed_worker_is_a_failure_of_its_session_and_the_rest_stand(
    compared_in: Comparer,
) -> None:
    design = replace(DESIGN, sessions=3)
    made = compared_in([A, FASTER], design, in_turn(5, kill_the_worker))
    failures = [session.failure for session in made.comparison.sessions]
    assert failures[1:] == [None, None]
    assert failures[0] is not None
    assert "SIGKILL" in failures[0]
    assert len(made.comparison.sessions[0].rounds) == 2
    assert [run.status for run in made.runs[0]] == ["failed", "failed"]
    assert made.comparison.status == "done"
    effect = made.findings[0].effect
    assert effect is not None
    assert effect.sessions == 2


def test_sessions_that_all_fail_leave_a_failed_comparison(compared_in: Comparer) -> None:
    made = compared_in([A, sim("itl=0.01,crash_at=2,machine=quiet/3")], DESIGN)
    failures = [session.failure or "" for session in made.comparison.sessions]
    assert all("crashed at trial 2" in failure for failure in failures)
    assert len(failures) == 2
    assert made.comparison.status == "failed"
    assert made.words == [None]


def interrupt() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_in_a_later_session_keeps_the_earlier_ones(compared_in: Comparer) -> None:
    with pytest.raises(KeyboardInterrupt):
        compared_in([A, FASTER], replace(DESIGN, sessions=3), in_turn(12 + 5, interrupt))
    made = compared_in.latest()
    assert made.comparison.status == "aborted"
    assert [session.failure for session in made.comparison.sessions] == [None, "interrupted"]
    assert [len(session.rounds) for session in made.comparison.sessions] == [6, 2]
    assert made.words == ["faster"]
    assert workers() == []


def test_finished_sessions_are_kept_before_the_next_one_begins(compared_in: Comparer) -> None:
    """Whatever kills the measurement then, they can be read."""
    stored: list[int] = []

    def look() -> None:
        stored.append(len(compared_in.latest().comparison.sessions))

    compared_in([A, FASTER], DESIGN, in_turn(12 + 1, look))
    assert stored == [1]


def test_an_arm_of_another_interpreter_runs_in_a_worker_of_it(compared_in: Comparer) -> None:
    other = sim("itl=0.0095,machine=quiet/3", python=sys.executable)
    seen: set[str] = set()

    def look(_: Event) -> None:
        seen.update(worker.cmdline()[0] for worker in workers())

    made = compared_in([A, other], replace(DESIGN, sessions=1), look)
    assert seen == {sys.executable}
    assert made.words == ["faster"]


def test_one_interpreter_has_one_worker_whatever_runs_there() -> None:
    arms = [sim(f"itl=0.0{n},machine=quiet/3", python=sys.executable) for n in (10, 11)]
    with opened(arms, False, lambda _: None):
        assert len(workers()) == 1
    assert workers() == []


def an_executable(folder: Path, script: str) -> str:
    path = folder / "python"
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


def test_a_python_that_does_not_exist_is_refused(compared_in: Comparer, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"cannot start .* give python= a Python interpreter"):
        compared_in([A, sim("itl=0.01", python=missing)], DESIGN)
    assert compared_in.latest().comparison.status == "aborted"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\necho hello\n", "answered 'hello'"),
        ("#!/bin/sh\necho 7\n", "answered '7'"),
        ("#!/bin/sh\nprintf '\\377\\n'\n", "answered"),
        ("#!/bin/sh\nexit 3\n", "ended with exit code 3"),
        ("#!/bin/sh\nkill -9 $$\n", "was ended by SIGKILL"),
    ],
)
def test_what_is_no_python_is_one_line(tmp_path: Path, script: str, reason: str) -> None:
    with (
        pytest.raises(MeasurementError, match=reason) as raised,
        Worker(an_executable(tmp_path, script)) as worker,
    ):
        worker.open(A.target)
    assert "\n" not in str(raised.value)


def test_a_python_without_numpy_says_what_is_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bare = an_executable(tmp_path, f'#!/bin/sh\nexec "{sys.executable}" -S -E "$@"\n')
    with (
        pytest.raises(MeasurementError, match="cannot run mlxbench: No module named 'numpy'"),
        Worker(bare) as worker,
    ):
        worker.open(A.target)
    assert capfd.readouterr().err == ""


def test_a_worker_gets_our_mlxbench_but_nothing_else_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beside an installed mlxbench, such as mlx, is not for another interpreter."""
    (tmp_path / "mlxbench").symlink_to(Path(__file__).parents[2] / "mlxbench")
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.setattr("mlxbench.__file__", str(tmp_path / "mlxbench" / "__init__.py"))
    with Worker(None) as worker:
        assert worker.open(A.target).load_s >= 0


def test_what_the_engine_refuses_in_a_worker_is_told_here() -> None:
    with Worker(None) as worker:
        for engine, location, reason in (
            ("sim", "itl=0", "no itl"),
            ("gpt", "x", "no engine named 'gpt'"),
        ):
            with pytest.raises(MeasurementError, match=reason):
                worker.open(Target(engine, "x", location))
        assert isinstance(worker.open(A.target).run(TASK, A.options, 1), Completed)


def test_a_worker_that_was_killed_is_told_at_every_request() -> None:
    with Worker(None) as worker:
        loaded = worker.open(A.target)
        kill_the_worker()
        for _ in range(2):
            with pytest.raises(MeasurementError, match="SIGKILL"):
                loaded.run(TASK, A.options, 1)


def test_a_worker_leaves_ctrl_c_to_the_measurement() -> None:
    with Worker(None) as worker:
        loaded = worker.open(A.target)
        (process,) = workers()
        os.kill(process.pid, signal.SIGINT)
        assert isinstance(loaded.run(TASK, A.options, 1), Completed)
