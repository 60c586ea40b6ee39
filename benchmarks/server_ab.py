"""The A/B against real servers: what `mlxbench compare` found, one row for each pair of arms.

    python -m benchmarks.server_ab --output benchmarks/results/server_ab.json \\
        "mlx:tiny-moe ollama:tiny-moe-q41,url=127.0.0.1:11434 -p 128 -g 128"

Each argument is the rest of a `mlxbench compare` command. The two arms' own rates are absolute and
belong to the machine; ratios, native over common rates and the check by differencing carry over.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions

MLXBENCH = (sys.executable, "-c", "from mlxbench.cli import main; main()")


def row(arguments: str) -> dict[str, Any]:
    """One comparison: what it says, without the trials behind it."""
    command = [*MLXBENCH, "compare", *shlex.split(arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    found = json.loads(done.stdout)["comparison"]
    arms = [_arm(arm, side) for arm, side in zip(found["arms"], found["sides"], strict=True)]
    return {
        "command": f"mlxbench compare {arguments}",
        "arms": arms,
        "verdict": found["verdict"],
        "ratio": found["ratio"],
        "pairs": found["pairs"],
        "greedy_agreement": found["greedy_agreement"],
        "differencing": found["differencing"],
        "warnings": [warning["code"] for warning in found["warnings"]],
    }


def _arm(arm: dict[str, Any], side: dict[str, Any]) -> dict[str, Any]:
    common, native = side["common_tps"], side["native_tps"]
    return {
        "engine": arm["target"]["engine"],
        "model": arm["target"]["model"],
        "common_tps": common,
        "native_tps": native,
        "native_over_common": native["value"] / common["value"] if native and common else None,
        "rule": side["native_rule"],
        "theory": side["theory"],
        "format": side["format"],
        "bits_per_weight": side["bits_per_weight"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("comparisons", nargs="+")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    rows = [row(arguments) for arguments in chosen.comparisons]
    found = {"benchmark": "server_ab", **conditions(), "rows": rows}
    text = json.dumps(found, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
