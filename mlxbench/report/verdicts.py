"""Speed and skill side by side: which probe belongs to which rate.

Both must come from the same weights, on the same engine with the same options, and from the same
machine. A rate is taken at batch 1 and no depth, the way a chat begins, pipelined and with no other
model in memory. A server's probe asks for one reply after another, so it carries its rate itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlxbench.records import Options, Probe, Run, Timed, machine_key
from mlxbench.report.probes import ProbeResult, graded
from mlxbench.report.summary import Summary
from mlxbench.store import Store

SHOWN_SUITE = "fomo"

Key = tuple[object, ...]


def beside(probe: Run, measured: Iterable[Summary]) -> Summary | None:
    """The first of `measured` that holds the decode rate of what `probe` asked."""
    wanted = _key(probe)
    found = (one for one in measured if one.decode_tps and _key(one.run) == wanted)
    return next((one for one in found if one.run.run_id == probe.run_id or _is_rate(one.run)), None)


def newest(store: Store, shown: Sequence[Run]) -> dict[str, ProbeResult]:
    """By run id, for each of `shown` that has one: the newest result of the lab note's poem.

    A probe has its own, whatever its suite. One that lacks replies counts only where there is no
    complete one.
    """
    wanted = {_key(run) for run in shown if _is_rate(run)}
    best: dict[Key, Run] = {}
    for run in store.runs():
        if not _is_shown(run) or (key := _key(run)) not in wanted:
            continue
        if key not in best or (best[key].status != "done" and run.status == "done"):
            best[key] = run
    probe_of = {run.run_id: run.run_id for run in shown if isinstance(run.arm.task, Probe)}
    probe_of |= {
        run.run_id: best[_key(run)].run_id for run in shown if _is_rate(run) and _key(run) in best
    }
    results = {probe: graded(store.run(probe)) for probe in set(probe_of.values())}
    return {run_id: results[probe] for run_id, probe in probe_of.items() if results[probe].replies}


def _is_rate(run: Run) -> bool:
    task = run.arm.task
    return (
        isinstance(task, Timed)
        and task.kind != "prefill"
        and not task.depth
        and task.batch_size == 1
        and task.mode == "pipelined"
        and not run.resident
    )


def _is_shown(run: Run) -> bool:
    return isinstance(run.arm.task, Probe) and run.arm.task.suite == SHOWN_SUITE


def _key(run: Run) -> Key:
    options: Options = run.arm.options
    weights = run.checkpoint.fingerprint if run.checkpoint else None
    return (
        run.arm.target.engine,
        weights or run.arm.target.model,
        options.kv_bits,
        options.routing,
        options.kernels,
        *machine_key(run.environment),
    )
