"""`mlxbench compare --stored`: two runs that are in the store already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlxbench.cli.output import console, print_json
from mlxbench.cli.parameters import store_path
from mlxbench.errors import InputError
from mlxbench.records import Metric
from mlxbench.report import stored
from mlxbench.store import Store


def compare_stored(
    ids: Sequence[str], metric: Metric, force: bool, db: Path | None, as_json: bool
) -> None:
    """Print what the two runs say, and that this is weaker than a comparison."""
    if len(ids) != 2:
        raise InputError(f"--stored takes two runs, not {len(ids)}", "give two run ids")
    with Store.open(store_path(db), create=False) as store:
        runs = [store.run(run_id) for run_id in ids]
    stored.refuse_unlike(runs[0], runs[1], force)
    found = stored.compare(runs[0], runs[1], metric)
    if as_json:
        print_json(stored.document(found))
    else:
        for line in stored.report(found):
            console().print(line)
