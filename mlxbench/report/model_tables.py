"""Models as tables: the registry, what is on the disk, and what a check of files found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from mlxbench import roofline
from mlxbench.checkpoints import Finding
from mlxbench.records import Reference
from mlxbench.registry import ModelSpec
from mlxbench.report.format import MISSING, gigabytes, rate
from mlxbench.report.terminal import table, text


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this disk. `registry_name` is the name by which the registry knows it."""

    name: str
    where: str
    bytes: int
    registry_name: str | None


def models_table(specs: Sequence[ModelSpec]) -> Table:
    """The registry: names, sizes, sources."""
    made = table("name", "params", "active", "4-bit", "source", right=("params", "active", "4-bit"))
    for spec in specs:
        shape = spec.shape
        count = roofline.parameters(shape) if shape else None
        source = "synthetic" if spec.synthetic else spec.repository or spec.ollama or MISSING
        made.add_row(
            text(spec.name),
            _parameters(count.total if count else None),
            _parameters(count.active if count else None),
            gigabytes(roofline.weight_bytes(shape) if shape else None),
            text(source),
        )
    return made


def model_report(spec: ModelSpec) -> Iterator[Table | Text]:
    """Everything known of one model."""
    facts = table("", "")
    facts.show_header = False
    for name, value in _facts(spec):
        facts.add_row(name, text(value))
    yield facts
    if spec.references:
        yield Text("\npublished figures")
        yield _references_table(spec.references)


def sizes(spec: ModelSpec) -> dict[str, int] | None:
    """Parameters and bytes by the registry's shape, for scripts; `None` without a shape."""
    if spec.shape is None:
        return None
    count = roofline.parameters(spec.shape)
    return {
        "params_total": count.total,
        "params_active": count.active,
        "weight_bytes": roofline.weight_bytes(spec.shape),
        "active_bytes": roofline.active_bytes(spec.shape),
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


def _facts(spec: ModelSpec) -> Iterator[tuple[str, str]]:
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
        yield "4-bit weights", gigabytes(roofline.weight_bytes(shape))
        yield "read per token", gigabytes(roofline.active_bytes(shape))
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
