"""Does `compare` tell the truth on a real engine? A against A, and against A with a known delay.

    python -m benchmarks.real_comparison --output benchmarks/results/real_comparison.json

The delay is extra work on the device, about 2.5 % of a token, calibrated beforehand.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import delayed_engine
from benchmarks.conditions import conditions
from mlxbench import engines, registry
from mlxbench.cli.targets import Request, resolve
from mlxbench.measure.comparing import Design, compare
from mlxbench.measure.pairs import seconds
from mlxbench.measure.trials import run_trial
from mlxbench.records import Arm, Options, Timed
from mlxbench.report.comparison import document, read
from mlxbench.store import Store

DELAY = 0.025


def step_s(arm: Arm) -> float:
    """The fastest of a few trials' mean step."""
    loaded = engines.engine("mlx").open(arm.target)
    paces = [seconds(run_trial(loaded, arm, seed), "decode") for seed in range(6)]
    loaded.close()
    return min(pace for pace in paces if pace is not None)


def compared(first: Arm, second: Arm, design: Design) -> dict[str, Any]:
    """The comparison's document, without the arms' many fields."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "r.sqlite") as store:
        found = document(read(store, compare([first, second], design, store, lambda _: None)))
    made: dict[str, Any] = found["comparison"]
    sessions = [{"rounds": len(s["rounds"]), "planned": s["planned"]} for s in made["sessions"]]
    kept = {key: made[key] for key in ("ratio", "verdict", "mde", "pairs", "warnings")}
    return {**kept, "sessions": sessions, "tps": [arm["tps"] for arm in made["arms"]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="tiny-moe")
    parser.add_argument("--budget", type=float, default=240.0)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    engines.ENGINES["delayed"] = "benchmarks.delayed_engine"
    target = resolve(Request(chosen.model), registry.load())
    arm = Arm(target, Timed("decode", 64, chosen.tokens), Options())
    slower = replace(arm, target=replace(target, engine="delayed"))
    step = step_s(arm)
    delayed_engine.links = delayed_engine.calibrate(DELAY * step)
    design = Design("decode", chosen.seed, chosen.budget)
    result = {
        "benchmark": "real_comparison",
        "goal": "A against A is not called different; a delay of 2 to 3 % per token is found",
        **conditions(),
        "model": chosen.model,
        "tokens": chosen.tokens,
        "budget_s": chosen.budget,
        "injected_delay": DELAY,
        "step_s": step,
        "a_against_a": compared(arm, arm, design),
        "a_against_delayed": compared(arm, slower, design),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
