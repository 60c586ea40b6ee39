"""Probes: every reply kept, nothing asked twice, whatever breaks them off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench.measure import Asking, Event, Finished, Job, ReplyEnded, Session, probing
from mlxbench.measure.opening import Opened
from mlxbench.measure.probing import measure_probe
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Failed,
    Generate,
    Message,
    Options,
    Probe,
    Question,
    Request,
    Run,
    Sampler,
    Target,
    Trial,
)
from mlxbench.store import Store

QUESTIONS = (
    Question("first", "AB", (Message("user", "one"),)),
    Question("second", None, (Message("user", "two"),)),
)
PROBE = Probe("heldout", QUESTIONS, 3, Sampler(0.6, 0.95, 20, seed=100), 50)
JOB = Job(Arm(Target("fake", "scripted", "nowhere"), PROBE))
BROKEN = Failed("connection", "nobody answers")

Script = Callable[[int], Trial]


def reply(seed: int) -> Completed:
    stamps = (1.0, 2.0)
    return Completed("virtual", stamps, 2.0, 5, 2, 1, "stop", text=f"reply {seed}")


class Replying:
    """Answers one request after another by a script, and remembers what it was asked."""

    def __init__(self, script: Script = reply, fingerprint: str = "f") -> None:
        self.checkpoint: Checkpoint | None = Checkpoint("m", "hub", "", fingerprint=fingerprint)
        self.asked: list[tuple[int, str]] = []
        self._script = script

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        assert isinstance(task, Generate)
        self.asked.append((seed, task.messages[0].content))
        return self._script(seed)

    def clock(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Together(Replying):
    """Answers what it is asked at once, the last first."""

    batch_size = 0

    def reply_all(
        self, requests: Mapping[int, Generate], options: Options, batch_size: int
    ) -> Iterator[tuple[int, Trial]]:
        self.batch_size = batch_size
        for seed in sorted(requests, reverse=True):
            yield seed, self.run(requests[seed], options, seed)


@pytest.fixture(autouse=True)
def needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted engine has no memory to predict."""
    monkeypatch.setattr(probing, "needed_bytes", lambda target, arms: None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.sqlite") as opened:
        yield opened


def probed(
    store: Store,
    loaded: Replying,
    job: Job = JOB,
    events: list[Event] | None = None,
    afresh: bool = False,
    accelerator: str | None = None,
) -> Run:
    watch = (events if events is not None else []).append
    session = Session(store, "mlxbench probe", watch, afresh)
    opened = Opened(loaded, 0.0, Environment(accelerator=accelerator))
    return store.run(measure_probe(opened, job, session))


def interrupted_at(place: int) -> Script:
    def script(seed: int) -> Trial:
        if seed == place:
            raise KeyboardInterrupt
        return reply(seed)

    return script


def places(run: Run) -> list[int]:
    return [record.sequence for record in run.trials if isinstance(record.trial, Completed)]


def test_every_question_is_asked_as_often_as_wanted_each_time_with_another_seed(
    store: Store,
) -> None:
    loaded, events = Replying(), list[Event]()
    run = probed(store, loaded, events=events)
    assert loaded.asked == [(0, "one"), (1, "one"), (2, "one"), (3, "two"), (4, "two"), (5, "two")]
    assert run.status == "done"
    assert places(run) == list(range(6))
    assert [type(event) for event in events] == [Asking, *[ReplyEnded] * 6, Finished]


def test_replies_are_kept_raw_and_at_once(store: Store) -> None:
    kept: list[int] = []

    def script(seed: int) -> Trial:
        kept.append(len(store.run(store.runs()[0].run_id).trials))
        return replace(reply(seed), text="\x1b[2J=HYPERLINK()\u202e")

    run = probed(store, Replying(script))
    assert kept == list(range(6))
    texts = {t.trial.text for t in run.trials if isinstance(t.trial, Completed)}
    assert texts == {"\x1b[2J=HYPERLINK()\u202e"}


def test_an_interrupted_probe_goes_on_with_what_it_lacks(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(store, Replying(interrupted_at(4)))
    (broken,) = store.runs()
    assert broken.status == "aborted"
    again = Replying()
    run = probed(store, again)
    assert run.run_id == broken.run_id
    assert run.status == "done"
    assert [seed for seed, _ in again.asked] == [4, 5]
    assert places(run) == list(range(6))


def test_a_killed_probe_goes_on_too(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(store, Replying(interrupted_at(2)))
    (broken,) = store.runs()
    store.finish_run(broken.run_id, "running", ())  # as kill -9 leaves it
    assert probed(store, again := Replying()).run_id == broken.run_id
    assert [seed for seed, _ in again.asked] == [2, 3, 4, 5]


def test_a_server_that_went_away_is_not_asked_for_hours(store: Store) -> None:
    gone = Replying(lambda seed: reply(seed) if seed < 2 else BROKEN)
    run = probed(store, gone)
    assert run.status == "failed"
    assert [seed for seed, _ in gone.asked] == [0, 1, 2, 3, 4]
    assert places(run) == [0, 1]


def test_failed_replies_are_asked_again_in_their_places(store: Store) -> None:
    first = probed(store, Replying(lambda seed: BROKEN if seed in (1, 4) else reply(seed)))
    assert first.status == "failed"
    assert len(first.trials) == 6
    again = Replying()
    run = probed(store, again)
    assert run.run_id == first.run_id
    assert run.status == "done"
    assert [seed for seed, _ in again.asked] == [1, 4]
    assert len(run.trials) == 6


def test_a_completed_reply_cannot_be_replaced(store: Store) -> None:
    run = probed(store, Replying())
    with pytest.raises(sqlite3.IntegrityError):
        store.put_trial(run.run_id, run.trials[0])


def test_a_complete_probe_is_measured_again_when_asked_again(store: Store) -> None:
    first = probed(store, Replying())
    again = Replying()
    assert probed(store, again).run_id != first.run_id
    assert len(again.asked) == 6


def test_afresh_leaves_the_broken_one_alone(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(store, Replying(interrupted_at(4)))
    (broken,) = store.runs()
    assert probed(store, Replying(), afresh=True).run_id != broken.run_id
    assert store.run(broken.run_id) == broken_with_trials(store, broken)


def broken_with_trials(store: Store, run: Run) -> Run:
    found = store.run(run.run_id)
    assert found.status == "aborted"
    assert places(found) == [0, 1, 2, 3]
    return found


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, arm=replace(JOB.arm, task=replace(PROBE, sampler=Sampler(0.7, 0.8, 20, 100)))),
        replace(JOB, arm=replace(JOB.arm, task=replace(PROBE, token_budget=51))),
        replace(JOB, arm=replace(JOB.arm, task=replace(PROBE, thinking=False))),
        replace(JOB, arm=replace(JOB.arm, options=Options(kv_bits=8))),
    ],
    ids=["sampler", "budget", "thinking", "options"],
)
def test_other_settings_are_another_probe(store: Store, job: Job) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(store, Replying(interrupted_at(4)))
    again = Replying()
    probed(store, again, job)
    assert len(again.asked) == 6


def test_other_weights_or_another_machine_are_another_probe(store: Store) -> None:
    for other, accelerator in ((Replying(fingerprint="g"), None), (Replying(), "Apple M3 Ultra")):
        with pytest.raises(KeyboardInterrupt):
            probed(store, Replying(interrupted_at(4)), afresh=True)
        probed(store, other, accelerator=accelerator)
        assert len(other.asked) == 6


def test_replies_that_come_together_are_kept_by_their_places(store: Store) -> None:
    loaded = Together()
    run = probed(store, loaded)
    assert loaded.batch_size == 6
    assert [seed for seed, _ in loaded.asked] == [5, 4, 3, 2, 1, 0]
    assert places(run) == list(range(6))
    texts = [record.trial.text for record in run.trials if isinstance(record.trial, Completed)]
    assert texts == [f"reply {seed}" for seed in range(6)]


def test_another_batch_size_goes_on_with_the_same_probe(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        probed(store, Together(interrupted_at(1)))
    (broken,) = store.runs()
    smaller = replace(JOB, arm=replace(JOB.arm, task=replace(PROBE, batch_size=2)))
    again = Together()
    assert probed(store, again, smaller).run_id == broken.run_id
    assert again.batch_size == 2
    assert [seed for seed, _ in again.asked] == [1, 0]


@pytest.mark.parametrize(
    ("usable", "batch_size"), [(100, 1), (159, 1), (160, 2), (1000, 6)], ids=str
)
def test_as_many_replies_as_fit_into_memory_are_decoded_together(
    store: Store, monkeypatch: pytest.MonkeyPatch, usable: int, batch_size: int
) -> None:
    def needed(target: Target, arms: list[Arm]) -> int:
        task = arms[0].task
        assert isinstance(task, Probe)
        assert task.batch_size is not None
        return 100 + 60 * (task.batch_size - 1)

    monkeypatch.setattr(probing, "needed_bytes", needed)
    monkeypatch.setattr(probing, "usable_bytes", lambda: usable)
    loaded = Together()
    probed(store, loaded)
    assert loaded.batch_size == batch_size
