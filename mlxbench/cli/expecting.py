"""How fast a model will probably be, before it is loaded, to say how long something may take."""

from __future__ import annotations

from dataclasses import dataclass

from mlxbench import environment, roofline
from mlxbench.records import Environment, Probe, Timed
from mlxbench.registry import ModelSpec
from mlxbench.report.format import duration, rate
from mlxbench.report.summary import summarise
from mlxbench.store import Store

# Of the bandwidth that the memory has, decoding reaches this much where nothing better is known.
TYPICAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Expected:
    """Tokens per second, and where the figure comes from."""

    tps: float
    source: str


def expected_rate(
    spec: ModelSpec | None, name: str, engine: str, store: Store, here: Environment
) -> Expected | None:
    """The newest rate measured here, else one from the memory's bandwidth, else a published one."""
    names = {name, spec.ollama if spec and engine == "ollama" else name}
    for run in store.runs():
        task, target = run.arm.task, run.arm.target
        if not isinstance(task, Timed) or task.kind == "prefill" or task.batch_size > 1:
            continue
        if target.engine != engine or target.model not in names or run.status != "done":
            continue
        if (run.environment.machine, run.environment.accelerator) != (
            here.machine,
            here.accelerator,
        ):
            continue
        found = summarise(run, store.trial_facts([run.run_id])[run.run_id]).decode_tps
        if found is not None:
            return Expected(found.value, "measured here")
    bandwidth = roofline.bandwidth_of(here)
    if spec is not None and spec.shape is not None and bandwidth is not None:
        read = roofline.active_bytes(spec.shape)
        return Expected(TYPICAL_SHARE * bandwidth / read, "from the memory's bandwidth")
    published = [one.decode_tps for one in spec.references if one.decode_tps] if spec else []
    return Expected(published[0], "published, another machine") if published else None


def here() -> Environment:
    """What this machine is."""
    return environment.collect()


def probe_line(name: str, probe: Probe, expected: Expected | None) -> str:
    """How long a probe may take at most, in words: every reply uses its whole budget."""
    replies = "1 reply" if probe.replies == 1 else f"{probe.replies} replies"
    asked = f"{name} {probe.label}: {replies} of at most {probe.token_budget:,} tokens"
    if expected is None:
        return f"{asked}; how long that takes shows with the first of them"
    seconds = probe.replies * probe.token_budget / expected.tps
    return (
        f"{asked}: at most {duration(seconds)} one after another, "
        f"at {rate(expected.tps)} tok/s ({expected.source})"
    )
