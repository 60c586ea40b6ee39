"""How long `mlxbench --help` takes beside `mlx_lm.benchmark --help`: alternating, wall time.

python -m benchmarks.help_time --output benchmarks/results/help_time.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.conditions import conditions

OURS = [sys.executable, "-c", "from mlxbench.cli import main; main()", "--help"]
THEIRS = [sys.executable, "-m", "mlx_lm.benchmark", "--help"]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    seconds(OURS), seconds(THEIRS)  # fill the file cache
    pairs = [(seconds(OURS), seconds(THEIRS)) for _ in range(chosen.pairs)]
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    result = {
        "benchmark": "help_time",
        "goal": "ratio <= 0.25",
        **conditions(),
        "pairs": chosen.pairs,
        "median_ratio": statistics.median(ratios),
        "range_of_ratios": [ratios[0], ratios[-1]],
        "median_s": {
            "mlxbench": statistics.median(ours for ours, _ in pairs),
            "mlx_lm.benchmark": statistics.median(theirs for _, theirs in pairs),
        },
    }
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
