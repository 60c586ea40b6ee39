"""Records survive the way to a worker process and back, bit for bit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from mlxbench.measure import wire
from mlxbench.records import (
    BAN,
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
    Sampler,
    Shape,
    Target,
    Task,
    Timed,
    Trial,
)
from mlxbench.store.codec import options_from_json, task_from_json

FULL = Completed(
    clock="device",
    stamps=(0.1, 0.1 + 0.2, math.pi),
    duration_s=3.2,
    prompt_tokens=16,
    generated_tokens=3,
    batch_size=2,
    finish_reason="stop",
    prefill_kv_s=0.05,
    peak_memory_bytes=1 << 40,
    tokens=((1, 2, 3), (4, 5, 151_935)),
    text="naïve 模型\n\u202e",
    native={"decode_tps": 1 / 3},
    notices=(Notice("low-diversity", "two tokens", "read the text"),),
)
BARE = Completed("virtual", (1.0,), 1.0, 1, 1, 1, "length")


def sent(message: Any) -> Any:
    """What arrives on the other side; a message is one line."""
    line = wire.to_line(message)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    return json.loads(line)


@pytest.mark.parametrize("trial", [FULL, BARE, Failed("suspended", "slept"), Failed("aborted", "")])
def test_a_trial_comes_back_equal(trial: Trial) -> None:
    assert wire.trial(sent(wire.trial_message(trial))) == trial


@pytest.mark.parametrize(
    "task",
    [
        Timed("decode", 512, 128, 4096, 2, "stepped", Sampler(0.7, 0.8, 20, 42)),
        Timed("prefill"),
        Generate((Message("system", "be brief"), Message("user", "hé\n")), Sampler(), 99, True),
        Generate((), Sampler(1.0), 5, None, unique=True),
        Probe(
            "controls", (Question("a", None, (Message("user", "b"),)),), 2, Sampler(0.6), 9, True
        ),
    ],
)
def test_a_task_comes_back_equal(task: Task) -> None:
    assert task_from_json(sent({"task": task})["task"]) == task


def test_a_target_comes_back_equal() -> None:
    target = Target("mlx", "a,b=c", "~/models/x", "hub", "owner/x", "0123", True, "python3.12")
    assert wire.target(sent({"target": target})["target"]) == target


def test_options_come_back_equal() -> None:
    routing = Routing(4, (ExpertBias(None, 3, BAN), ExpertBias(2, 1, 0.5)), selection_only=False)
    for options in (Options(1024, 8, 32), Options(routing=routing)):
        assert options_from_json(sent({"options": options})["options"]) == options


def test_an_environment_comes_back_equal() -> None:
    environment = Environment(
        os="Linux", versions={"mlx": "0.32.4"}, variables={"MLX_X": "1"}, load_1m=0.1
    )
    for one in (environment, Environment()):
        assert wire.environment(sent({"environment": one})["environment"]) == one


def test_a_checkpoint_or_its_absence_comes_back_equal() -> None:
    checkpoint = Checkpoint(
        "x", "hub", "~/x", "owner/x", "0123", "f" * 64, 10**12, 4.5, {"": {"bits": 4}, "h": False}
    )
    shape = Shape("qwen3", 64, 2, 4, 2, 16, 128, 512, True)
    for one in (checkpoint, replace(checkpoint, shape=shape), None):
        assert wire.checkpoint(sent({"checkpoint": one})["checkpoint"]) == one


def test_a_number_that_is_none_never_leaves() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.to_line({"trial": wire.trial_message(Failed("aborted", "", math.nan))})
