"""Beside a comparison with a server: what each side counted, read and said.

A ratio of two engines is easily taken for the engines' own when it is not. So three things stand
beside it, all derived from the store:

- **counting**: each engine's native rate by its own rule, beside the common one;
- **traffic**: bits per weight and bytes per token of both sides, and the bandwidth that follows:
  active bytes + KV bytes · context, times tokens per second. A format that reads more bytes is
  slower without any engine being worse;
- **agreement**: how far the greedy replies to the same prompts are the same text.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from mlxbench import roofline, stats
from mlxbench.measure.findings import TrialsOf
from mlxbench.records import Checkpoint, Comparison, Completed, Run, Target, Timed
from mlxbench.report.document import native_rule
from mlxbench.stats import Estimate

SNIPPET = 24


@dataclass(frozen=True, slots=True)
class Side:
    """One arm: rates in tokens per second by both rules, its bytes, and the machine's bandwidth.

    `theory` is what the engine's rule alone makes of the common rate: N/(N-1) where it divides N
    tokens by N-1 intervals.
    """

    arm: int
    common_tps: Estimate | None
    native_tps: Estimate | None
    native_rule: str | None
    theory: float | None
    format: str | None
    bits_per_weight: float | None
    bytes_per_token: float | None
    bandwidth: float | None

    @property
    def bytes_per_s(self) -> float | None:
        """Bytes that decoding read each second."""
        if self.common_tps is None or self.bytes_per_token is None:
            return None
        return self.common_tps.value * self.bytes_per_token

    @property
    def share(self) -> float | None:
        """The share of the machine's bandwidth, which bounds decoding."""
        read = self.bytes_per_s
        return read / self.bandwidth if read is not None and self.bandwidth else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the replies of `arm` equal the first arm's, over pairs with the same prompt.

    `example` is the first difference found: what both said, then how the first arm went on, and
    how this one did.
    """

    arm: int
    pairs: int
    identical: int
    median_share: float
    example: tuple[str, str, str] | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """What stands beside a comparison with a server."""

    sides: tuple[Side, ...]
    agreements: tuple[Agreement, ...]


def fairness(
    comparison: Comparison,
    rates: Sequence[Estimate | None],
    runs: Sequence[Run | None],
    trials_of: TrialsOf,
) -> Fairness | None:
    """Derived from the trials; `None` for a comparison without servers. `runs`: one of each arm."""
    if not any(arm.target.source == "server" for arm in comparison.arms):
        return None
    sides = _sides(comparison, rates, runs, trials_of)
    arms = range(1, len(comparison.arms))
    found = [_agreement(comparison, arm, trials_of) for arm in arms]
    return Fairness(tuple(sides), tuple(one for one in found if one is not None))


def _sides(
    comparison: Comparison,
    rates: Sequence[Estimate | None],
    runs: Sequence[Run | None],
    trials_of: TrialsOf,
) -> list[Side]:
    checkpoints = [run.checkpoint if run else None for run in runs]
    active = _active_parameters(comparison, checkpoints)
    sides = []
    for arm, (run, checkpoint) in enumerate(zip(runs, checkpoints, strict=True)):
        task = comparison.arms[arm].task
        assert isinstance(task, Timed)
        bits = checkpoint.bits_per_weight if checkpoint else None
        kv = checkpoint.kv_bytes_per_token if checkpoint else None
        context = task.prompt_tokens + task.generation_tokens / 2
        weights = active[arm] * bits / 8 if active[arm] and bits else None
        read = weights and weights + (kv or 0) * context
        decoding = comparison.metric in ("decode", "median-gap")
        sides.append(
            Side(
                arm=arm,
                common_tps=rates[arm],
                native_tps=_native(comparison, arm, trials_of),
                native_rule=native_rule(run) if run and decoding else None,
                theory=_theory(run, task.generation_tokens) if run and decoding else None,
                format=_format(run),
                bits_per_weight=bits,
                bytes_per_token=read if decoding else None,
                bandwidth=roofline.bandwidth_of(run.environment) if run else None,
            )
        )
    return sides


def _active_parameters(
    comparison: Comparison, checkpoints: Sequence[Checkpoint | None]
) -> list[int]:
    """Weights that one token uses, 0 if unknown: a server's are the same model's beside it."""
    own = [one.params_active or 0 if one else 0 for one in checkpoints]
    first = comparison.arms[0].target
    return [
        count or (own[0] if _same_model(first, arm.target) else 0)
        for count, arm in zip(own, comparison.arms, strict=True)
    ]


def _same_model(local: Target, served: Target) -> bool:
    """Whether a server was given the prompts of the very checkpoint that is compared with it."""
    return served.source == "server" and served.tokenizer == local.location


def _theory(run: Run, tokens: int) -> float | None:
    """Native over common rate for `tokens` tokens, by the engine's rule."""
    served = run.arm.target.source == "server"
    serving = run.checkpoint.serving if run.checkpoint else {}
    steps = serving.get("steps_counted") if served else "N-1"
    if steps is None or tokens < 2:
        return None
    return tokens / (tokens - 1) if steps == "N-1" else 1.0


def _format(run: Run | None) -> str | None:
    """How the weights are stored, in the words of the side that stores them."""
    checkpoint = run.checkpoint if run else None
    default = checkpoint.quantization.get("") if checkpoint else None
    if isinstance(default, str):
        return default
    if isinstance(default, dict) and "bits" in default:
        return f"MLX {default['bits']}-bit/{default.get('group_size')}"
    return None


def _native(comparison: Comparison, arm: int, trials_of: TrialsOf) -> Estimate | None:
    """The engine's own rate over all trials: its tokens over its seconds."""
    name = "prefill_tps" if comparison.metric in ("prefill", "ttft") else "decode_tps"
    found = [
        trial.native[name]
        for session in comparison.sessions
        if session.failure is None and len(session.run_ids) > arm
        for trial in trials_of(session.run_ids[arm])
        if isinstance(trial, Completed) and trial.native.get(name)
    ]
    # Of equally many tokens each, so totals over totals need no counts.
    return stats.throughput([1.0] * len(found), [1 / tps for tps in found], 0.95) if found else None


def _agreement(comparison: Comparison, arm: int, trials_of: TrialsOf) -> Agreement | None:
    """Compared where both arms had the same prompt and are the same model."""
    if not _same_prompts(comparison, arm):
        return None
    pairs = [
        (a.text.lstrip(), b.text.lstrip())  # some servers drop the space that a reply begins with
        for session in comparison.sessions
        if session.failure is None and len(session.run_ids) > arm
        for a, b in zip(
            trials_of(session.run_ids[0]), trials_of(session.run_ids[arm]), strict=False
        )
        if isinstance(a, Completed) and isinstance(b, Completed) and a.text and b.text
    ]
    if not pairs:
        return None
    shared = [_shared(a, b) for a, b in pairs]
    lengths = [min(len(a), len(b)) for a, b in pairs]
    shares = [at / length for at, length in zip(shared, lengths, strict=True)]
    differing = [index for index, share in enumerate(shares) if share < 1]
    example = _example(*pairs[differing[0]], shared[differing[0]]) if differing else None
    identical = len(pairs) - len(differing)
    return Agreement(arm, len(pairs), identical, statistics.median(shares), example)


def _shared(a: str, b: str) -> int:
    """How many characters two texts have in common from their beginning."""
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(a, b, strict=False)))


def _example(a: str, b: str, at: int) -> tuple[str, str, str]:
    return a[max(0, at - SNIPPET) : at], a[at : at + SNIPPET], b[at : at + SNIPPET]


def _same_prompts(comparison: Comparison, arm: int) -> bool:
    tasks = [one.task for one in comparison.arms]
    names = [one.target.engine for one in comparison.arms]
    greedy = all(isinstance(task, Timed) and task.sampler.greedy for task in tasks)
    # With an engine twice, as with a null arm, who goes first in a round decides on the prompts.
    once = names.count(names[0]) == names.count(names[arm]) == 1
    same = _same_model(comparison.arms[0].target, comparison.arms[arm].target)
    return greedy and once and same and not comparison.alternating
