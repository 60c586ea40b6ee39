"""Make, load and decode full-size synthetic checkpoints: seconds, bytes and peak memory of each.

    python -m benchmarks.synthetic_sizes qwen3-0.6b --output benchmarks/results/qwen3-0.6b.json

Each step runs as a command of its own, as a person would type it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.conditions import conditions

MLXBENCH = [sys.executable, "-c", "from mlxbench.cli import main; main()"]


def measured(home: Path, *arguments: str) -> tuple[dict[str, Any], float, int]:
    """The JSON document, wall seconds and peak resident bytes of one command."""
    start = time.perf_counter()
    variables = {**os.environ, "MLXBENCH_HOME": str(home)}
    process = subprocess.Popen(
        [*MLXBENCH, *arguments, "--json"], env=variables, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(arguments)} failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return json.loads(out), time.perf_counter() - start, usage.ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--trials", default="3")
    parser.add_argument("--prompt-tokens", default="16")
    parser.add_argument("--generation-tokens", default="16")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        home = Path(folder)
        made, make_s, make_rss = measured(home, "models", "synth", chosen.model)
        directory = Path(made["synthetic"]["directory"])
        size = sum(file.stat().st_size for file in directory.iterdir())
        document, decode_s, decode_rss = measured(
            home,
            *("decode", "--model", chosen.model, "--synthetic", "-p", chosen.prompt_tokens),
            *("-g", chosen.generation_tokens, "-r", chosen.trials, "--warmup", "1"),
        )
    (row,) = document["results"]
    result = {
        "benchmark": "synthetic_sizes",
        "goal": "made, loaded and decoded; making takes at most 400 MB of memory",
        **conditions(),
        "model": chosen.model,
        "directory_bytes": size,
        "make": {"seconds": make_s, "peak_rss_bytes": make_rss},
        "decode": {"seconds": decode_s, "peak_rss_bytes": decode_rss, "result": row},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
