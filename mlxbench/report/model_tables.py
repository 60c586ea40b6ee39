"""Models as tables: the registry, what is on the disk, and what a check of files found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlxbench import roofline
from mlxbench.checkpoints import Finding
from mlxbench.records import Reference
from mlxbench.registry import ModelSpec
from mlxbench.report.format import MISSING, gigabytes, rate
from mlxbench.report.terminal import table, text

NUMBERS = ("params", "active", "4-bit")
LARGE = 10_000  # columns: more than any table needs


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this disk. `registry_name` is the name by which the registry knows it."""

    name: str
    where: str
    bytes: int
    registry_name: str | None


def models_table(specs: Sequence[ModelSpec], on_cpu: bool, width: int) -> Table:
    """The registry: names, sizes, sources.

    Names are never broken: where a source does not fit into `width` columns, sources stand on
    lines of their own, and where that does not either, without the numbers of parameters.
    """
    listed = [_listed(spec, on_cpu) for spec in specs]
    below = [(Text("\n  ").join([name, source]), *numbers) for name, *numbers, source in listed]
    forms = [
        _padded(("name", *NUMBERS, "source"), listed),
        _padded(("name", *NUMBERS), below),
        _padded(("name", NUMBERS[-1]), [(first, last) for first, *_, last in below]),
    ]
    fitting = (made for made in forms if Console(width=LARGE).measure(made).maximum <= width)
    return next(fitting, forms[-1])


def _listed(spec: ModelSpec, on_cpu: bool) -> tuple[Text, ...]:
    """Name, numbers and source of a model."""
    count = roofline.parameters(spec.shape) if spec.shape else None
    return (
        text(spec.name),
        Text(_parameters(count.total if count else None)),
        Text(_parameters(count.active if count else None)),
        Text(gigabytes(weight_bytes(spec, on_cpu))),
        text("synthetic" if spec.synthetic else spec.repository or spec.ollama or MISSING),
    )


def _padded(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    """A table with one space between columns, so that more of them fit."""
    made = table(*columns, right=NUMBERS)
    made.padding = 0
    for row in rows:
        made.add_row(*row)
    return made


def weight_bytes(spec: ModelSpec, on_cpu: bool) -> int | None:
    """What will be fetched or made: made up for a CPU alone, scales are of 4 bytes, not of 2."""
    if spec.shape is None:
        return None
    return roofline.weight_bytes(spec.shape, scale_bytes=_scale_bytes(spec, on_cpu))


def _scale_bytes(spec: ModelSpec, on_cpu: bool) -> int:
    return 4 if spec.synthetic and on_cpu else 2


def model_report(spec: ModelSpec, on_cpu: bool) -> Iterator[Table | Text]:
    """Everything known of one model."""
    facts = table("", "")
    facts.show_header = False
    for name, value in _facts(spec, on_cpu):
        facts.add_row(name, text(value))
    yield facts
    if spec.references:
        yield Text("\npublished figures")
        yield _references_table(spec.references)


def sizes(spec: ModelSpec, on_cpu: bool) -> dict[str, int | None] | None:
    """Parameters and bytes by the registry's shape, for scripts; `None` without a shape."""
    if spec.shape is None:
        return None
    count = roofline.parameters(spec.shape)
    return {
        "params_total": count.total,
        "params_active": count.active,
        "weight_bytes": weight_bytes(spec, on_cpu),
        "active_bytes": roofline.active_bytes(spec.shape, scale_bytes=_scale_bytes(spec, on_cpu)),
        "kv_bytes_per_token": roofline.kv_bytes_per_token(spec.shape),
    }


def local_table(found: Sequence[LocalModel]) -> Table:
    """What is on this disk, by the name that `--model` takes."""
    made = table("name", "size", "known as", "where", right=("size",))
    for model in found:
        made.add_row(
            text(model.name),
            gigabytes(model.bytes),
            text(model.registry_name or MISSING),
            text(model.where),
        )
    return made


def findings_table(findings: Sequence[Finding]) -> Table:
    """What was checked of each file."""
    made = table("file", "", "checked")
    for finding in findings:
        made.add_row(text(finding.file), "ok" if finding.ok else "BAD", text(finding.detail))
    return made


def _facts(spec: ModelSpec, on_cpu: bool) -> Iterator[tuple[str, str]]:
    yield "name", spec.name
    if spec.summary:
        yield "summary", spec.summary
    if spec.repository:
        yield "repository", spec.repository
        yield "revision", spec.revision or "the newest on its main branch"
    if spec.ollama:
        yield "Ollama tag", spec.ollama
    if shape := spec.shape:
        count = roofline.parameters(shape)
        yield "family", shape.model_type
        yield "layers", f"{shape.num_hidden_layers}, hidden size {shape.hidden_size}"
        heads = f"{shape.num_attention_heads} of {shape.head_dim}, {shape.num_key_value_heads} KV"
        yield "heads", heads
        if shape.num_experts:
            experts = f"{shape.num_experts}, top {shape.num_experts_per_tok}"
            yield "experts", f"{experts}, width {shape.moe_intermediate_size}"
        else:
            yield "feed-forward", str(shape.intermediate_size)
        yield "parameters", f"{_parameters(count.total)}, {_parameters(count.active)} active"
        yield "4-bit weights", gigabytes(weight_bytes(spec, on_cpu))
        width = _scale_bytes(spec, on_cpu)
        yield "read per token", gigabytes(roofline.active_bytes(shape, scale_bytes=width))
        yield "KV per token", f"{roofline.kv_bytes_per_token(shape) / 1024:.0f} KiB"
    yield "defined in", spec.origin


def _references_table(references: Sequence[Reference]) -> Table:
    made = table("tok/s", "probe", "engine", "machine", "workload", "source", right=("tok/s",))
    for one in references:
        rest = (one.engine, one.machine, one.workload, one.source)
        made.add_row(rate(one.decode_tps), one.probe or MISSING, *map(text, rest))
    return made


def _parameters(count: int | None) -> str:
    if count is None:
        return MISSING
    return f"{count / 1e9:.3g} B" if count >= 1e8 else f"{count / 1e6:.3g} M"
