"""Records to rows and back. Pure: no database in here.

A row is a mapping from column to value. What people search by has a column of its own; the rest of
a run is JSON with sorted keys; the long lists of a trial are little-endian blobs. Fields that are
missing in JSON take the default of their dataclass, so a new field with a default needs no rewrite
of old rows.

Unknown is NULL. NaN and infinity are no measurements and stop the program: they are bugs.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    ExpertBias,
    Failed,
    Generate,
    Message,
    Notice,
    Options,
    Probe,
    Question,
    Routing,
    Run,
    Sampler,
    Shape,
    Target,
    Task,
    Timed,
    Trial,
    TrialRecord,
)

Value = str | int | float | bytes | None
Row = dict[str, Value]

COMPLETED = "completed"
GENERATE, PROBE = "generate", "probe"


def run_to_row(run: Run) -> Row:
    """The row of `runs`, without the run's trials."""
    target = run.arm.target
    return {
        "run_id": run.run_id,
        "created_utc": run.created_utc,
        "status": run.status,
        "model": target.model,
        "engine": target.engine,
        "synthetic": target.synthetic,
        **_task_columns(run.arm.task),
        "workload": run.workload,
        "command": run.command,
        "load_s": run.load_s,
        "predicted_memory_bytes": run.predicted_memory_bytes,
        "resident": to_json(run.resident),
        "arm": to_json(run.arm),
        "environment": to_json(run.environment),
        "checkpoint": None if run.checkpoint is None else to_json(run.checkpoint),
        "notices": to_json(run.notices),
    }


def _task_columns(task: Task) -> Row:
    if not isinstance(task, Timed):
        return {"kind": PROBE if isinstance(task, Probe) else GENERATE}
    return {
        "kind": task.kind,
        "prompt_tokens": task.prompt_tokens,
        "generation_tokens": task.generation_tokens,
        "depth": task.depth,
        "batch_size": task.batch_size,
        "mode": task.mode,
    }


def run_from_row(row: Mapping[str, Any], trials: tuple[TrialRecord, ...] = ()) -> Run:
    """The inverse of `run_to_row`."""
    checkpoint = row["checkpoint"]
    return Run(
        run_id=row["run_id"],
        created_utc=row["created_utc"],
        command=row["command"],
        arm=arm_from_json(json.loads(row["arm"])),
        workload=row["workload"],
        environment=Environment(**json.loads(row["environment"])),
        checkpoint=None if checkpoint is None else checkpoint_from_json(json.loads(checkpoint)),
        status=row["status"],
        load_s=row["load_s"],
        predicted_memory_bytes=row["predicted_memory_bytes"],
        resident=tuple(json.loads(row["resident"])),
        notices=_notices(row["notices"]),
        trials=trials,
    )


def checkpoint_from_json(values: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint from the JSON object of one."""
    shape = values.get("shape")
    return Checkpoint(**{**values, "shape": shape and Shape(**shape)})


def arm_from_json(values: dict[str, Any]) -> Arm:
    """An arm from the JSON object of one."""
    return Arm(
        Target(**values["target"]),
        task_from_json(values["task"]),
        options_from_json(values["options"]),
    )


def task_from_json(values: Mapping[str, Any]) -> Task:
    """A task from the JSON object of one, whose fields tell which it is."""
    values = dict(values)
    sampler = Sampler(**values.pop("sampler"))
    if "questions" in values:
        questions = tuple(_question(question) for question in values.pop("questions"))
        return Probe(questions=questions, sampler=sampler, **values)
    if "messages" in values:
        return Generate(messages=_messages(values.pop("messages")), sampler=sampler, **values)
    return Timed(sampler=sampler, **values)


def _question(values: Mapping[str, Any]) -> Question:
    return Question(**{**values, "messages": _messages(values["messages"])})


def _messages(values: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message(**message) for message in values)


def options_from_json(values: Mapping[str, Any]) -> Options:
    """Options from the JSON object of some."""
    values = {**values, "kernels": tuple(values.get("kernels", ()))}
    changed = values.get("routing")
    if changed is None:
        return Options(**values)
    biases = tuple(ExpertBias(**bias) for bias in changed["biases"])
    return Options(**{**values, "routing": Routing(**{**changed, "biases": biases})})


def trial_to_rows(run_id: str, record: TrialRecord) -> tuple[Row, Row]:
    """The rows of `trials` and of `trial_details`."""
    key: Row = {"run_id": run_id, "sequence": record.sequence}
    row = key | {"phase": record.phase, "started_utc": record.started_utc}
    trial = record.trial
    if isinstance(trial, Failed):
        row |= {"status": trial.reason, "duration_s": trial.duration_s}
        return row, key | {"message": trial.message}
    return row | _completed_columns(trial), key | _completed_details(trial)


def _completed_columns(trial: Completed) -> Row:
    return {
        "status": COMPLETED,
        "clock": trial.clock,
        "t_first": trial.stamps[0] if trial.stamps else None,
        "t_last": trial.stamps[-1] if trial.stamps else None,
        "stamp_count": len(trial.stamps),
        "duration_s": trial.duration_s,
        "prompt_tokens": trial.prompt_tokens,
        "generated_tokens": trial.generated_tokens,
        "batch_size": trial.batch_size,
        "finish_reason": trial.finish_reason,
        "prefill_kv_s": trial.prefill_kv_s,
        "peak_memory_bytes": trial.peak_memory_bytes,
        "native_decode_tps": trial.native.get("decode_tps"),
        "native_prefill_tps": trial.native.get("prefill_tps"),
    }


def _completed_details(trial: Completed) -> Row:
    return {
        "stamps": pack_stamps(trial.stamps),
        "tokens": None if trial.tokens is None else pack_tokens(trial.tokens),
        "text": trial.text,
        "native": to_json(trial.native),
        "notices": to_json(trial.notices),
    }


def trial_from_row(row: Mapping[str, Any]) -> TrialRecord:
    """The inverse of `trial_to_rows`, from one row that joins both."""
    return TrialRecord(
        sequence=row["sequence"],
        phase=row["phase"],
        started_utc=row["started_utc"],
        trial=_trial(row),
    )


def _trial(row: Mapping[str, Any]) -> Trial:
    if row["status"] != COMPLETED:
        return Failed(row["status"], row["message"], row["duration_s"])
    return Completed(
        clock=row["clock"],
        stamps=unpack_stamps(row["stamps"]),
        duration_s=row["duration_s"],
        prompt_tokens=row["prompt_tokens"],
        generated_tokens=row["generated_tokens"],
        batch_size=row["batch_size"],
        finish_reason=row["finish_reason"],
        prefill_kv_s=row["prefill_kv_s"],
        peak_memory_bytes=row["peak_memory_bytes"],
        tokens=None if row["tokens"] is None else unpack_tokens(row["tokens"]),
        text=row["text"],
        native=json.loads(row["native"]),
        notices=_notices(row["notices"]),
    )


def _notices(text: str) -> tuple[Notice, ...]:
    return tuple(Notice(**values) for values in json.loads(text))


def to_json(value: object) -> str:
    """JSON of records, mappings and plain values; keys sorted, so equal values give equal text."""
    try:
        return json.dumps(value, default=_plain, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise AssertionError(f"not storable: {error}") from error


def _plain(value: object) -> dict[str, Any]:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a record")


def pack_stamps(stamps: Sequence[float]) -> bytes:
    """Seconds as little-endian float64."""
    assert all(map(math.isfinite, stamps)), "a stamp is not finite"
    return struct.pack(f"<{len(stamps)}d", *stamps)


def unpack_stamps(blob: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(blob) // 8}d", blob)


def pack_tokens(rows: Sequence[Sequence[int]]) -> bytes:
    """Token ids as little-endian int32: the number of rows, the length of each, every row."""
    numbers = [len(rows), *map(len, rows)]
    for row in rows:
        numbers.extend(row)
    return struct.pack(f"<{len(numbers)}i", *numbers)


def unpack_tokens(blob: bytes) -> tuple[tuple[int, ...], ...]:
    count, *numbers = struct.unpack(f"<{len(blob) // 4}i", blob)
    rows = []
    start = count
    for length in numbers[:count]:
        rows.append(tuple(numbers[start : start + length]))
        start += length
    return tuple(rows)
