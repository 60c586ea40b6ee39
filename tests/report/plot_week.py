"""The week itself: runs of every kind that a report shows, and its comparisons."""

from __future__ import annotations

from dataclasses import replace

from mlxbench.records import (
    Arm,
    Comparison,
    Options,
    Run,
    Target,
    Timed,
)
from mlxbench.store import Store
from tests.report.plot_samples import (
    CONTROL,
    LINUX,
    MODELS,
    comparison,
    probed,
    server,
    synthetic_target,
    timed,
)
from tests.report.probe_samples import CUT, NOTHING, RIGHT, WRONG


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
