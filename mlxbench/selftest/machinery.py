"""What is around the engine and depends on the system: processes, the store, the lock, the limits.

A worker process begins every session of a comparison; chat templates run in a child with limits;
trials have to be on disk before the next one starts. All three rest on calls that systems do
differently.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from mlxbench import chat
from mlxbench.measure.remote import Worker
from mlxbench.records import (
    Arm,
    Completed,
    Environment,
    Message,
    Options,
    Run,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.report.format import memory, milliseconds
from mlxbench.selftest.checked import Checked
from mlxbench.store import Store, new_run_id

TOPIC = "machinery"
QUESTION = "Is anybody there?"
TASK = Timed("decode", 20, 4)


def worker(target: Target) -> Checked:
    """A fresh process loads a model and gives a trial back."""
    began = time.perf_counter()
    with Worker(None) as process:
        loaded = process.open(target)
        trial = loaded.run(TASK, Options(), 1)
        loaded.close()
    good = isinstance(trial, Completed)
    return Checked(
        TOPIC,
        "worker process",
        good,
        f"a trial after {time.perf_counter() - began:.1f} s" if good else "no trial",
        "a trial",
        "a process of its own loads a model and measures, as each session of a comparison does",
    )


def template(directory: Path) -> Checked:
    """A chat template is rendered in its child process."""
    began = time.perf_counter()
    text = chat.render(chat.template_of(directory), [Message("user", QUESTION)], None)
    return Checked(
        TOPIC,
        "chat template",
        QUESTION in text,
        f"rendered in {milliseconds(time.perf_counter() - began)}",
        "the question is in the prompt",
        "templates are rendered in a child process with limits on time and memory",
    )


def store(folder: Path) -> Iterator[Checked]:
    """A trial that was recorded is there when the store is opened again."""
    trial = Completed("device", (0.5, 1.0), 1.0, 20, 2, 1, "length")
    record = TrialRecord(0, "measured", _now(), trial)
    run = Run(
        run_id=new_run_id(datetime.now(UTC), Random()),
        created_utc=_now(),
        command="self-test",
        arm=Arm(Target("mlx", "self-test", ""), replace(TASK, generation_tokens=2)),
        workload="self-test",
        environment=Environment(),
    )
    path = folder / "results.sqlite"
    with Store.open(path) as opened:
        opened.add_run(run)
        began = time.perf_counter()
        opened.add_trial(run.run_id, record)
        seconds = time.perf_counter() - began
    with Store.open(path, create=False) as opened:
        kept = opened.run(run.run_id).trials
    yield Checked(
        TOPIC,
        "store",
        kept == (record,),
        f"a durable trial in {milliseconds(seconds)}",
        "the trial is there again",
        "each trial is on the disk before the next one starts",
        {"commit_s": seconds},
    )


@dataclass(frozen=True, slots=True)
class Wired:
    """The wired limit before a model was loaded, meanwhile, and after it was closed; bytes."""

    before: int
    loaded: int
    after: int


def wired(found: Wired, recommended_bytes: int | None, backend: str | None) -> Checked:
    """On Metal the limit is what the device recommends while a model is loaded, and then as before.

    Elsewhere nothing is wired down, and nothing can be told.
    """
    right = found.loaded == recommended_bytes and found.after == found.before
    due = "a known limit" if recommended_bytes is None else memory(recommended_bytes)
    metal = backend == "metal"
    return Checked(
        TOPIC,
        "wired limit",
        right if metal else None,
        f"{memory(found.loaded)}, then {memory(found.after)}" if metal else "none",
        f"{due}, then {memory(found.before)}" if metal else "",
        "weights are wired down, up to this limit, as long as a model is loaded"
        if metal
        else "only Metal wires memory down",
        {"before": found.before, "loaded": found.loaded, "after": found.after},
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
