"""Parts of a model in words: what is timed there are launches and passes, no tokens.

The engines of `OF_PARTS` count a launch of a kernel as a "token", or a pass through all blocks of a
model. In records both stand as tokens; whoever shows them asks here what to call them.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlxbench.engines import OF_PARTS
from mlxbench.records import Arm, Run, Timed

BLOCKS = "/blocks"  # how the name of a target ends whose "token" is a pass through all layers
LAUNCH, PASS = ("launch", "launches"), ("pass", "passes")


def of_a_part(arm: Arm) -> bool:
    """Whether an arm is a part of a model, whose rate is not in tokens."""
    return arm.target.engine in OF_PARTS


def unit(arms: Iterable[Arm]) -> str:
    """What the rates of these arms count: `tok/s`, or `launches/s` where any is of a part."""
    found = dict.fromkeys(_noun(arm)[1] for arm in arms if of_a_part(arm))
    return f"{' or '.join(found)}/s" if found else "tok/s"


def test(run: Run) -> str:
    """A run's test: `256 launches` of a part, whose first is not timed."""
    return counted(run.arm) or run.test


def counted(arm: Arm) -> str | None:
    """`256 launches`; `None` for a model."""
    if not of_a_part(arm) or not isinstance(arm.task, Timed):
        return None
    return f"{arm.task.generation_tokens - 1} {_noun(arm)[1]}"


def pace(arms: Iterable[Arm]) -> str | None:
    """What a comparison of parts is about; `None` for models."""
    found = dict.fromkeys(_noun(arm)[0] for arm in arms if of_a_part(arm))
    return f"speed (mean time per {' or '.join(found)})" if found else None


def _noun(arm: Arm) -> tuple[str, str]:
    return PASS if arm.target.model.endswith(BLOCKS) else LAUNCH
