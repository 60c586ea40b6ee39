"""Arms in short: what is measured, and what is set otherwise than usual.

Arms of one comparison may differ in anything that is stored: a path, a seed, one of two kernels of
the same name. So what the usual words leave out is added wherever two arms that differ would read
the same: "A against A" must mean one arm measured twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass

from mlxbench.records import Arm, Timed
from mlxbench.redact import redact
from mlxbench.report import parts, settings
from mlxbench.report.routing import routing_words

LONGEST = 60  # characters of a value that no words describe


def described(arms: Sequence[Arm]) -> list[tuple[str, ...]]:
    """Each arm as a few short parts; of two arms that differ, so do these."""
    words = [tuple(_words(arm)) for arm in arms]
    flat = [dict(_flat("", arm)) for arm in arms]
    made = []
    for said, own in zip(words, flat, strict=True):
        twins = [other for also, other in zip(words, flat, strict=True) if also == said]
        differing = (
            f"{name} {own.get(name, 'none')}"
            for name in dict.fromkeys(name for twin in twins for name in (*own, *twin))
            if any(twin.get(name) != own.get(name) for twin in twins)
        )
        made.append((*said, *differing))
    return made


def describe(arm: Arm) -> str:
    """One arm alone: model, test, settings."""
    return ", ".join(_words(arm))


def _words(arm: Arm) -> Iterator[str]:
    target, task, options = arm.target, arm.task, arm.options
    assert isinstance(task, Timed)
    model = f"{target.engine}:{target.model}" if target.source == "server" else target.model
    yield f"{model} (synthetic)" if target.synthetic else model
    yield parts.counted(arm) or task.label
    routing = routing_words(options.routing) if options.routing else []
    yield from settings.words(task.mode, task.sampler, options, routing)
    if target.python:
        yield f"python {target.python}"


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Everything that is stored of an arm, by the names of its fields."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _flat(field.name.replace("_", " "), getattr(value, field.name))
    else:
        yield name, _short(value)


def _short(value: object) -> str:
    """A value as text; a long one is cut and keeps a digest, so that it stays the only one."""
    said = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if len(said) > LONGEST:
        said = f"{said[: LONGEST // 2]}… {hashlib.sha256(said.encode()).hexdigest()[:8]}"
    return redact(said) or "none"
