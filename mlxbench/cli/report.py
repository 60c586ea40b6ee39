"""`mlxbench results report`: everything that was measured, as files to read, keep and post."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from mlxbench.cli.parameters import Names, json_option, registry_option, store_option, store_path


@click.command()
@click.option(
    *("-o", "--output"),
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("mlxbench-report"),
    show_default=True,
    help="Folder for the files; made if missing.",
)
@click.option("--title", metavar="TEXT", help="Headline of the report.")
@click.option("--model", "models", type=Names(), help="Only these models; several by commas.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Only what was measured on this day (UTC) or later.",
)
@store_option
@registry_option
@json_option
def report(
    output: Path,
    title: str | None,
    models: tuple[str, ...] | None,
    since: datetime | None,
    db: Path | None,
    models_file: Path | None,
    as_json: bool,
) -> None:
    """Write a page, Markdown, CSV and plots of what was measured.

    \b
    report.html   one self-contained page, light and dark; open it in a browser
    report.md     the same for a README or a post, with plots/*.png
    results.csv   its rows; `results export` also has the runs of comparisons

    Shown is the newest of each model, workload, settings and machine, beside published figures.
    An earlier report in DIR is replaced, its plots included.
    """
    from mlxbench import registry
    from mlxbench.cli.output import print_json
    from mlxbench.report import page
    from mlxbench.report.gathering import gather
    from mlxbench.report.page import files, selecting
    from mlxbench.report.plots import plots
    from mlxbench.store import Store

    with Store.open(store_path(db), create=False) as store:
        gathered = gather(store, registry.references(registry.load(models_file)))
    day = f"{since:%Y-%m-%d}" if since else None
    gathered = selecting.selected(gathered, models, day)
    made = page.contents(gathered, plots(gathered), title or page.TITLE)
    written = files.write(output, made, gathered.rows)
    if as_json:
        print_json({"report": {"directory": str(output), "files": [str(path) for path in written]}})
        return
    for path in written:
        click.echo(path)
