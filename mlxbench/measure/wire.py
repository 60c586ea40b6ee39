"""Records as JSON lines between a measurement and its worker processes, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlxbench.records import (
    Checkpoint,
    Completed,
    Environment,
    Failed,
    Notice,
    Target,
    Trial,
)
from mlxbench.store.codec import checkpoint_from_json

Line = Mapping[str, Any]


def to_line(message: Line) -> str:
    """One JSON object on one line; records become objects."""
    return json.dumps(message, default=asdict, allow_nan=False) + "\n"


def target(values: Line) -> Target:
    """A target from its fields."""
    return Target(**values)


def trial_message(trial: Trial) -> Line:
    """A trial with the name of its type."""
    return {"type": type(trial).__name__, **asdict(trial)}


def trial(values: Line) -> Trial:
    """The inverse of `trial_message`."""
    fields = dict(values)
    if fields.pop("type") == "Failed":
        return Failed(**fields)
    fields["stamps"] = tuple(fields["stamps"])
    fields["notices"] = tuple(Notice(**notice) for notice in fields["notices"])
    if fields["tokens"] is not None:
        fields["tokens"] = tuple(tuple(row) for row in fields["tokens"])
    return Completed(**fields)


def environment(values: Line) -> Environment:
    """An environment from its fields."""
    return Environment(**values)


def checkpoint(values: Line | None) -> Checkpoint | None:
    """A checkpoint from its fields, if there is one."""
    return None if values is None else checkpoint_from_json(values)
