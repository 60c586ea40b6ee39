"""Write the pages of figures, and the README's first table, from the records in benchmarks/results.

No figure is typed by hand.

python -m benchmarks.render
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlxbench import registry
from mlxbench.report.markdown import between_markers, results_block, rows_from_jsonl

ROOT = Path(__file__).parents[1]
PAGES = {"page.md.jinja": "docs/benchmarks.md", "ollama.md.jinja": "docs/ollama.md"}


def page(template: str) -> str:
    """A page as its records make it."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "benchmarks"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"ratio": ratio, "rate": rate, "percent": percent, "made": made}
    environment.filters |= {
        "median": statistics.median,
        "versions": versions,
        "within_noise": within_noise,
    }
    return environment.get_template(template).render(record=record)


def readme() -> str:
    """The README with its first table as exported rows make it."""
    rows = rows_from_jsonl((ROOT / "benchmarks/results/readme.jsonl").read_text())
    block = results_block(rows, registry.references(registry.load()))
    return between_markers((ROOT / "README.md").read_text(), block)


def record(name: str) -> dict[str, Any]:
    """One record by its file name."""
    found: dict[str, Any] = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
    return found


def ratio(value: dict[str, Any]) -> str:
    """A ratio with its interval."""
    return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"


def rate(value: dict[str, Any]) -> str:
    """A rate with its interval, where it has one."""
    if value["low"] is None or value["high"] is None:
        return f"{value['value']:.3g} (no interval)"
    return f"{value['value']:.3g} ({value['low']:.3g} to {value['high']:.3g})"


def percent(share: float | None) -> str:
    """A share of one."""
    return "–" if share is None else f"{100 * share:.3g} %"


def versions(found: dict[str, Any]) -> str:
    """What a record was made with."""
    return ", ".join(f"{name} {version}" for name, version in found["versions"].items())


def within_noise(rows: list[dict[str, Any]]) -> bool:
    """Whether the two sides part only where MLX's margin is within its model's logit noise."""
    noise = {row["model"]: row["noise"]["p99"] for row in rows if row["noise"]}
    return all(margin <= noise[row["model"]] for row in rows for margin in row["margins"])


def made(found: dict[str, Any]) -> str:
    """The command that makes a record again, and the versions that made it."""
    return f"`{found['command']}` with {versions(found)}."


def main() -> None:
    for template, written in PAGES.items():
        (ROOT / written).write_text(page(template))
    (ROOT / "README.md").write_text(readme())


if __name__ == "__main__":
    main()
