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
from mlxbench.store import Store
from tests.report.probe_samples import CUT, NOTHING, RIGHT, WRONG, replied

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


def fill(store: Store) -> None:
    """Put the whole week into a store."""
    for run_ in [*decode_runs(), *prefill_runs(), *stepped_runs(), *small_runs(), *probe_runs()]:
        store.add_run(run_)
    for made, runs in comparisons():
        for one in runs:
            store.add_run(one)
        store.add_comparison(made)


def decode_runs() -> list[Run]:
    """Each model at five depths, in Ollama too, and the two smaller ones in memory together."""
    made = []
    for place, model in enumerate(MODELS):
        for step, depth in enumerate((0, 4096, 8192, 16384, 32768)):
            task = Timed("decode", 512, 128, depth)
            made.append(timed(model, task, number=100 + 10 * place + step))
        target, weights = server(model)
        request = Timed("request", 512, 128)
        served = timed(
            model, request, number=140 + place, n=8, target=target, known=weights, slower=1.35
        )
        made.append(served)
    pair = ("qwen3-30b-a3b", "qwen3-32b")
    for place, model in enumerate(pair):
        others = tuple(other for other in pair if other != model)
        task = Timed("decode", 512, 128)
        made.append(timed(model, task, number=150 + place, slower=1.01, resident=others))
    return made


def prefill_runs() -> list[Run]:
    """Each model at three prompt lengths."""
    return [
        timed(model, Timed("prefill", prompt, 1), number=200 + 10 * place + step, n=8)
        for place, model in enumerate(MODELS)
        for step, prompt in enumerate((512, 2048, 8192))
    ]


def stepped_runs() -> list[Run]:
    """Two models with every token synchronised."""
    return [
        timed(model, Timed("decode", 512, 256, mode="stepped"), number=240 + place, n=8)
        for place, model in enumerate(list(MODELS)[:2])
    ]


def small_runs() -> list[Run]:
    """Made-up models on a Linux machine, one of them measured once only."""
    made = []
    for place, (model, n) in enumerate({"tiny-moe": 8, "tiny-dense": 1}.items()):
        for step, depth in enumerate((0, 256, 1024)):
            made.append(
                timed(
                    model,
                    Timed("decode", 64, 32, depth),
                    number=300 + 10 * place + step,
                    n=n,
                    environment=LINUX,
                    target=synthetic_target(model),
                    pace_s=0.004 * (1 + depth / 2000) * (1 + place),
                )
            )
    return made


def probe_runs() -> list[Run]:
    """The poem, fresh poems and controls, for each model."""
    made = []
    for place, (model, passes) in enumerate(zip(MODELS, (0, 3, 14), strict=True)):
        poem = [RIGHT] * passes + [CUT] * 2 + [WRONG] * 3 + [NOTHING] * (15 - passes)
        fresh = [RIGHT] * (2 * passes) + [NOTHING] * (30 - 2 * passes)
        number = 400 + 10 * place
        made.append(probed(model, "fomo", poem, number=number))
        made.append(probed(model, "heldout", fresh, number=number + 1))
        made.append(
            probed(
                model,
                "controls",
                [NOTHING] * 19 + [WRONG],
                number=number + 2,
                question=CONTROL,
            )
        )
    return made


def comparisons() -> list[tuple[Comparison, list[Run]]]:
    """Twelve of them: against Ollama, with a kernel, with fewer bits, with a null arm."""
    made = []
    task, request = Timed("decode", 512, 32), Timed("request", 512, 32)
    for place, (model, gain) in enumerate(zip(MODELS, (1.62, 1.24, 1.48), strict=True)):
        plain = Arm(Target("mlx", model, f"~/models/{model}", "hub"), task)
        served = Arm(server(model)[0], request)
        local = replace(plain, task=request)
        kernel = replace(plain, options=Options(kernels=("swiglu-fused@0a1b2c3d",)))
        eight = replace(plain, options=Options(kv_bits=8))
        four = replace(plain, options=Options(kv_bits=4))
        number = 500 + 10 * place
        made += [
            comparison(served, [(local, gain)], number=number),
            comparison(plain, [(kernel, 1.012 + 0.004 * place)], number=number + 1, null=True),
            comparison(plain, [(eight, 0.97), (four, 0.94)], number=number + 2),
            comparison(plain, [(kernel, 1.001)], number=number + 3, noise=0.02, rounds=8),
        ]
    return made
