"""What it costs to dispatch the second step before the first token is read.

    python -m benchmarks.first_stamp --output benchmarks/results/first_stamp.json

Three rates of the same model, interleaved: ours; that of a loop which dispatches step 2 first, and
so stamps token 1 late; and the truth, (N2 - N1) / (T2 - T1), which no boundary touches.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

from benchmarks.conditions import conditions
from mlxbench import stats, synthetic
from mlxbench.engines.mlx import loop
from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.lab.device_checks import trapped
from mlxbench.records import GREEDY, Shape

# Large enough that a step takes the device many times longer than Python takes to build its graph.
SHAPE = Shape("qwen3", 1024, 4, 16, 8, 64, 3072, 16384, tie_word_embeddings=False)
PROMPT = mx.array([[5, 6, 7, 8]])
LONGER = 16  # tokens between the two lengths whose difference is the truth


def ours(model: Any, n: int) -> tuple[float, float]:
    """Our rate, and the seconds from the start to the last token."""
    return timed(loop.run, model, n)


def late(model: Any, n: int) -> float:
    """The rate of a loop that reads each token, the first too, after dispatching the next step."""
    return timed(trapped.late, model, n)[0]


def timed(run: Callable[..., loop.Result], model: Any, n: int) -> tuple[float, float]:
    """The rate of a loop, and its seconds from the start to the last token."""
    request = loop.Request(PROMPT, n, True, 2048, sample_function(GREEDY))
    stamps = run(model, make_prompt_cache(model), request).stamps
    return (n - 1) / (stamps[-1] - stamps[0]), stamps[-1]


def row(model: Any, n: int, rounds: int) -> dict[str, Any]:
    """The two ratios at one length."""
    late_logs, true_logs = [], []
    for _ in range(rounds):
        rate, total = ours(model, n)
        late_logs.append(math.log(late(model, n) / rate))
        _, longer = ours(model, n + LONGER)
        true_logs.append(math.log(rate / (LONGER / (longer - total))))
    return {"tokens": n, "late_over_ours": ratio(late_logs), "ours_over_truth": ratio(true_logs)}


def ratio(logs: list[float]) -> dict[str, float | int]:
    """A geometric mean with its t interval."""
    half = stats.t_quantile(0.95, len(logs) - 1) * float(np.std(logs, ddof=1)) / len(logs) ** 0.5
    centre = math.fsum(logs) / len(logs)
    low, high = math.exp(centre - half), math.exp(centre + half)
    return {"value": math.exp(centre), "low": low, "high": high, "n": len(logs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = synthetic.Recipe("device-bound", SHAPE, None, "f32")
        model, _ = load_model(synthetic.ensure(recipe, Path(folder)))
        ours(model, 4), late(model, 4)
        rows = [row(model, n, chosen.rounds) for n in (4, 8, 16, 32)]
    result = {"benchmark": "first_stamp", **conditions(), "shape": "4 layers of 1024", "rows": rows}
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
