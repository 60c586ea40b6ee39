"""A store as an owner of a Mac Studio might have it after a week, with invented figures.

Every record is of the real kinds and goes through a real store. Paces follow the two-constant model
of the three models of the lab note, with a little seeded noise, so that plots look as they will.
Nothing in here was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from mlxbench import registry
from mlxbench.acrostic import NOTE_PROMPT, PHRASE
from mlxbench.records import (
    Arm,
    Checkpoint,
    ComparedSession,
    Comparison,
    Completed,
    Environment,
    Message,
    Metric,
    Options,
    Probe,
    Question,
    Reference,
    Run,
    Sampler,
    Target,
    Task,
    Timed,
    Trial,
    TrialRecord,
)
from mlxbench.roofline import kv_bytes_per_token, parameters, read_bytes
from tests.report.probe_samples import replied

GIB = 1 << 30
STUDIO = Environment(
    os="macOS",
    os_version="26.1",
    machine="arm64",
    cpu="Apple M3 Ultra",
    memory_bytes=512 * GIB,
    accelerator="Apple M3 Ultra",
    accelerator_backend="metal",
    accelerator_cores=80,
    accelerator_memory_bytes=480 * GIB,
    versions={"python": "3.12.8", "mlx": "0.32.4", "mlx-lm": "0.32.2"},
)
LINUX = Environment(
    os="Linux",
    os_version="6.8",
    machine="x86_64",
    cpu="AMD EPYC 7B13",
    memory_bytes=8 * GIB,
    accelerator_backend="cpu",
    versions={"python": "3.12.8", "mlx": "0.32.4", "mlx-lm": "0.32.2"},
)
MODELS = {"qwen3-30b-a3b": 1440, "qwen3-32b": 1280, "qwen3-235b-a22b": 2820}  # kernels per token
BANDWIDTH, KERNEL_S = 690e9, 3.6e-6
FOUR_BITS: Mapping[str, Any] = {"": {"bits": 4, "group_size": 64}}
FIRST = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CONTROL = Question("control-ordinary-01", None, (Message("user", "What is this piece?\n\nA day."),))


def references() -> dict[str, tuple[Reference, ...]]:
    """The published figures that come with mlxbench."""
    return registry.references(registry.load())


def checkpoint(model: str) -> Checkpoint:
    """A 4-bit checkpoint of a model that the registry knows."""
    shape = registry.load()[model].shape
    assert shape is not None
    return Checkpoint(
        model,
        "hub",
        f"~/models/{model}",
        fingerprint=model * 4,
        weight_bytes=read_bytes(shape, FOUR_BITS).stored,
        quantization=FOUR_BITS,
        bits_per_weight=4.5,
        model_type=shape.model_type,
        params_active=parameters(shape).active,
        kv_bytes_per_token=kv_bytes_per_token(shape),
        shape=shape,
    )


def pace(model: str, context: float) -> float:
    """Seconds per token, as if by a machine of these two constants."""
    shape = registry.load()[model].shape
    assert shape is not None
    read = read_bytes(shape, FOUR_BITS).active + kv_bytes_per_token(shape) * context
    return read / BANDWIDTH + MODELS.get(model, 100) * KERNEL_S


def trial(task: Timed, pace_s: float, random: Random, peak: int | None = None) -> Completed:
    """A trial of this pace. A stepped one has a spike every 64 tokens, as caches are cleared."""
    wobble = random.gauss(1, 0.004)
    first = task.prompt_tokens * pace_s / 18 * random.gauss(1, 0.005)
    stamps = [first]
    for step in range(1, task.generation_tokens):
        spike = 1.8 if task.mode == "stepped" and step % 64 == 0 else 1.0
        jitter = random.gauss(1, 0.02) if task.mode == "stepped" else 1.0
        stamps.append(stamps[-1] + pace_s * wobble * spike * jitter)
    return Completed(
        clock="device",
        stamps=tuple(stamps),
        duration_s=stamps[-1] + 0.01,
        prompt_tokens=task.prompt_tokens,
        generated_tokens=task.generation_tokens,
        batch_size=task.batch_size,
        finish_reason="length",
        prefill_kv_s=first * 0.95,
        peak_memory_bytes=peak,
    )


def timed(
    model: str,
    task: Timed,
    *,
    number: int = 0,
    n: int = 10,
    environment: Environment = STUDIO,
    target: Target | None = None,
    known: Checkpoint | None = None,
    options: Options | None = None,
    pace_s: float | None = None,
    slower: float = 1.0,
    resident: tuple[str, ...] = (),
) -> Run:
    """A finished run of `n` trials; `number` tells runs apart and orders them in time."""
    made = known or checkpoint(model)
    random = Random(number)
    context = task.depth + task.prompt_tokens + task.generation_tokens / 2
    seconds = pace_s if pace_s is not None else pace(model, context) * slower
    per_token = made.kv_bytes_per_token or 0
    tokens = task.depth + task.prompt_tokens + task.generation_tokens
    needed = (made.weight_bytes or 0) + per_token * tokens
    needed += sum(checkpoint(other).weight_bytes or 0 for other in resident)
    peak = round(needed * 1.03) if made.weight_bytes else None
    trials = [trial(task, seconds, random, peak) for _ in range(n)]
    return run(
        target or Target("mlx", model, f"~/models/{model}", "hub"),
        task,
        trials,
        number=number,
        environment=environment,
        known=made,
        options=options,
        predicted=round(needed * 1.1) if made.weight_bytes else None,
        resident=resident,
    )


def run(
    target: Target,
    task: Task,
    trials: Sequence[Trial],
    *,
    number: int = 0,
    environment: Environment = STUDIO,
    known: Checkpoint | None = None,
    options: Options | None = None,
    predicted: int | None = None,
    resident: tuple[str, ...] = (),
    workload: str = "standard",
) -> Run:
    """A finished run of these trials."""
    began = FIRST + timedelta(minutes=number)
    kind = task.kind if isinstance(task, Timed) else "probe"
    depth = f" --depth {task.depth}" if isinstance(task, Timed) and task.depth else ""
    return Run(
        run_id=f"{began:%Y%m%d-%H%M%S}-{number:06x}",
        created_utc=began.isoformat(),
        command=f"mlxbench {'decode' if kind == 'request' else kind} --model {target.model}{depth}",
        arm=Arm(target, task, options or Options()),
        workload=workload,
        environment=environment,
        checkpoint=known,
        status="done",
        load_s=4.2,
        predicted_memory_bytes=predicted,
        resident=resident,
        trials=tuple(
            TrialRecord(place, "measured", began.isoformat(), one)
            for place, one in enumerate(trials)
        ),
    )


def server(model: str) -> tuple[Target, Checkpoint]:
    """The same model in an Ollama of today."""
    tag = registry.load()[model].ollama
    assert tag is not None
    target = Target("ollama", tag, "http://127.0.0.1:11434", "server", tokenizer="~/models")
    serving: dict[str, str | int] = {"program": "Ollama", "version": "0.32.1", "runner": "gguf"}
    weights = Checkpoint(
        tag, "server", "", fingerprint=tag * 4, quantization={"": "Q4_K_M"}, serving=serving
    )
    return target, weights


def synthetic_target(model: str) -> Target:
    """Random weights of a model's shape."""
    return Target("mlx", model, f"~/cache/{model}", "synthetic", synthetic=True)


def probed(
    model: str,
    suite: str,
    replies: Sequence[str],
    *,
    number: int = 0,
    question: Question | None = None,
) -> Run:
    """A finished probe of one question, put once for each of `replies`."""
    asked = question or Question(f"{suite}-note", PHRASE, (Message("user", NOTE_PROMPT),))
    probe = Probe(suite, (asked,), len(replies), Sampler(0.6, 0.95, 20, 5), 16_384)
    target = Target("mlx", model, f"~/models/{model}", "hub")
    trials = [replied(reply) for reply in replies]
    return run(target, probe, trials, number=number, known=checkpoint(model))


def comparison(
    first: Arm,
    others: Sequence[tuple[Arm, float]],
    *,
    number: int = 0,
    rounds: int = 12,
    noise: float = 0.003,
    metric: Metric = "decode",
    null: bool = False,
    environment: Environment = STUDIO,
) -> tuple[Comparison, list[Run]]:
    """A comparison whose arms are so many times as fast as the first, and its runs."""
    arms = [first, *(arm for arm, _ in others), *([first] if null else [])]
    speeds = [1.0, *(speed for _, speed in others), *([1.0] if null else [])]
    random = Random(number)
    began = FIRST + timedelta(minutes=number)
    runs = []
    for place, (arm, speed) in enumerate(zip(arms, speeds, strict=True)):
        task = arm.task
        assert isinstance(task, Timed)
        paces = [0.01 / speed * random.gauss(1, noise) for _ in range(rounds)]
        trials = [trial(task, one, random) for one in paces]
        made = run(
            arm.target,
            task,
            trials,
            number=number,
            environment=environment,
            options=arm.options,
            workload="comparison",
        )
        runs.append(replace(made, run_id=f"{made.run_id}-{place}"))
    forwards = tuple(range(len(arms)))
    orders = tuple(forwards if i % 2 == 0 else forwards[::-1] for i in range(rounds))
    session = ComparedSession(tuple(made.run_id for made in runs), orders, rounds)
    return (
        Comparison(
            comparison_id=f"{began:%Y%m%d-%H%M%S}-c{number:05x}",
            created_utc=began.isoformat(),
            command=f"mlxbench compare {' '.join(arm.target.model for arm in arms)}",
            metric=metric,
            arms=tuple(arms),
            seed=number,
            budget_s=60.0,
            null=null,
            status="done",
            sessions=(session,),
        ),
        runs,
    )
