"""Write docs/benchmarks.md from the records in benchmarks/results: no figure is typed by hand.

python -m benchmarks.render
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def page() -> str:
    """The page as its records make it."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "benchmarks"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"ratio": ratio, "rate": rate, "percent": percent, "made": made}
    return environment.get_template("page.md.jinja").render(record=record)


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


def made(found: dict[str, Any]) -> str:
    """The command that makes a record again, and the versions that made it."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"`{found['command']}` with {versions}."


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
