"""Stored decode runs of a machine that obeys two constants exactly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from mlxbench import registry, roofline
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Options,
    Run,
    Shape,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.roofline import TimeModel

UTC = "2026-11-23T04:15:22Z"
HERE = Environment(machine="Mac15,14", cpu="Apple M3 Ultra", versions={"mlx": "0.32.4"})
SETTINGS: dict[str, Any] = {"": {"bits": 4, "group_size": 64}}
TRUE = TimeModel(bandwidth=655e9, kernel_s=5.9e-6, points=0)
TRIALS, TOKENS, PROMPT = 3, 9, 64


def shape_of(name: str) -> Shape:
    shape = registry.load()[name].shape
    assert shape is not None
    return shape


def checkpoint_of(name: str) -> Checkpoint:
    """A bf16 build of a registry's shape, all at 4 bits."""
    shape = shape_of(name)
    return Checkpoint(
        name=name,
        source="hub",
        directory=f"~/{name}",
        fingerprint=name,
        weight_bytes=roofline.read_bytes(shape, SETTINGS).stored,
        quantization=SETTINGS,
        kv_bytes_per_token=roofline.kv_bytes_per_token(shape),
        shape=shape,
    )


def context_of(depth: int) -> float:
    """The middle of a trial of `TOKENS` after `PROMPT`."""
    return depth + PROMPT + TOKENS / 2


@dataclass(frozen=True, slots=True)
class Sample:
    """A decode run of `name`, each token of which takes what the two constants say."""

    run_id: str
    name: str = "qwen3-0.6b"
    depth: int = 0
    kernels: int = 500
    factor: float = 1.0
    environment: Environment = HERE
    options: Options = field(default_factory=Options)
    changes: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Run:
        """The run with its trials; `changes` replace fields of the run."""
        checkpoint = checkpoint_of(self.name)
        found = roofline.checkpoint_bytes(checkpoint)
        assert found is not None and checkpoint.kv_bytes_per_token is not None
        read = found.active + checkpoint.kv_bytes_per_token * context_of(self.depth)
        made = Run(
            run_id=self.run_id,
            created_utc=UTC,
            command="mlxbench decode",
            arm=Arm(
                Target("mlx", self.name, f"~/{self.name}"),
                Timed("decode", PROMPT, TOKENS, self.depth),
                self.options,
            ),
            workload="natural text",
            environment=self.environment,
            checkpoint=checkpoint,
            status="done",
            trials=_trials(self.factor * TRUE.seconds(read, self.kernels)),
        )
        return replace(made, **self.changes)


def _trials(seconds: float) -> tuple[TrialRecord, ...]:
    stamps = tuple(0.5 + seconds * token for token in range(TOKENS))
    trial = Completed(
        clock="device",
        stamps=stamps,
        duration_s=stamps[-1],
        prompt_tokens=PROMPT,
        generated_tokens=TOKENS,
        batch_size=1,
        finish_reason="length",
    )
    return tuple(TrialRecord(number, "measured", UTC, trial) for number in range(TRIALS))
