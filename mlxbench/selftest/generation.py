"""Decode and prefill of one model: what must be true of them on any machine.

Some checks are exact: forwards, tokens, the order of stamps. Others compare rates that must be
equal whatever the machine does: a rate over few tokens against one from the difference of two
lengths, which no boundary touches; mlx-lm's own figure, which divides N tokens by N-1 intervals;
and the loop's prefill against one forward that was waited for.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mlxbench.engines.mlx.loop import Result
from mlxbench.lab.device_checks import decoding
from mlxbench.lab.device_checks.decoding import Dispatches, Forwards, Subject
from mlxbench.report.format import milliseconds, rate
from mlxbench.selftest import ratios
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.costs import Ceiling
from mlxbench.selftest.ratios import Agreement

SHORT_PROMPT = 4
PACE_TOLERANCE = 0.1
MOST_BEHIND = 0.3  # of a step, between the last stamp and a device that is done
MOST_OF_CEILING = 1.1
HIDES = 0.9


def counted(topic: str, found: Forwards) -> Checked:
    """Exactly one forward for each token."""
    due = len(found.due)
    return Checked(
        topic,
        "forwards",
        found.seen == found.due,
        f"{len(found.seen)} forwards",
        f"{due} forwards",
        "the prompt in chunks, then one forward for each token, and none left over",
    )


def same_tokens(topic: str, ours: Sequence[int], theirs: Sequence[int]) -> Checked:
    """Greedy tokens are those of mlx-lm's `stream_generate`."""
    same = sum(1 for _ in _common(ours, theirs))
    return Checked(
        topic,
        "greedy tokens",
        list(ours) == list(theirs),
        f"{same} of {len(theirs)} as mlx-lm's",
        "all",
        "the same prompt through mlx-lm's stream_generate gives the same tokens",
        {"distinct": len(set(ours))},
    )


def _common(ours: Sequence[int], theirs: Sequence[int]) -> Iterator[int]:
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            return
        yield one


def stamps(topic: str, replies: Sequence[Result]) -> Iterator[Checked]:
    """Stamps of replies rise, none comes before its value, and the logits are finite."""
    first = replies[0]
    shown = (
        f"first token {milliseconds(first.stamps[0])}, prompt {milliseconds(first.prefill_kv_s)}"
    )
    rise = all(before < after for one in replies for before, after in pairwise(one.stamps))
    yield Checked(
        topic,
        "stamps rise",
        rise and all(0 < one.prefill_kv_s < one.stamps[0] for one in replies),
        shown if rise else "a stamp is not after the one before",
        "each after the one before",
        "stamps come one after the other, the first after the prompt",
    )
    yield behind(topic, replies)
    finite = all(one.finite for one in replies)
    yield Checked(
        topic,
        "finite logits",
        finite,
        "finite" if finite else "NaN or infinity",
        "finite",
        "the logits after the last token are numbers",
    )


def behind(topic: str, replies: Sequence[Result]) -> Checked:
    """The device has nothing left to do when the last token is stamped; noise may hit one reply."""
    step = statistics.median(map(_step, replies))
    left = statistics.median(found.duration_s - found.stamps[-1] for found in replies)
    return Checked(
        topic,
        "clock not ahead",
        left <= MOST_BEHIND * step,
        f"{milliseconds(left)} after the last stamp",
        f"at most {milliseconds(MOST_BEHIND * step)}",
        "waiting for the device after the last stamp takes no time: the clock did not run ahead",
        {"left_s": left, "step_s": step},
    )


def first_alone(topic: str, found: Dispatches, tokens: int) -> Checked:
    """The second step is dispatched after the first token is stamped, so it cannot hold that up."""
    first = found.ahead_s > 0
    return Checked(
        topic,
        "first stamp alone",
        not first and found.count == tokens,
        f"step 2 begun {milliseconds(abs(found.ahead_s))} {'before' if first else 'after'} it",
        "after it",
        f"{found.count} steps were dispatched for {tokens} tokens; a second one under way would "
        "delay the first stamp, and shorten the time in which tokens are counted",
        {"ahead_s": found.ahead_s},
    )


def building(topic: str, found: Result, build_s: float) -> Checked:
    """Whether Python's share of a step hides behind the device's."""
    step = _step(found)
    hidden = build_s < HIDES * step
    return Checked(
        topic,
        "Python's share",
        None,
        f"{milliseconds(build_s)} of {milliseconds(step)} a step",
        "",
        "Python builds each step's graph while the device is busy with the one before"
        if hidden
        else "Python takes nearly as long to build a step as the step takes: it sets the pace",
        {"build_s": build_s, "step_s": step},
    )


def trap(topic: str, honest: Result, ahead: Result) -> Checked:
    """What a loop would claim here that stamps tokens when it dispatches them."""
    ours, theirs = (_rate(found) for found in (honest, ahead))
    return Checked(
        topic,
        "stamped at dispatch",
        None,
        f"{rate(theirs)} tok/s, not {rate(ours)}",
        "",
        f"a loop that does not read its tokens would claim {theirs / ours:.3g} times the rate here",
        {"honest_tps": ours, "ahead_tps": theirs},
    )


def _step(found: Result) -> float:
    return (found.stamps[-1] - found.stamps[0]) / (len(found.stamps) - 1)


def _rate(found: Result) -> float:
    return 1 / _step(found)


def below_ceiling(topic: str, decode_tps: float, memory: Ceiling, active_bytes: int) -> Checked:
    """No decode rate can be above what the memory lets through."""
    ceiling = memory.bytes_per_s / active_bytes
    return Checked(
        topic,
        "below the ceiling",
        decode_tps <= MOST_OF_CEILING * ceiling if memory.judged else None,
        f"{rate(decode_tps)} tok/s",
        f"at most {rate(MOST_OF_CEILING * ceiling)} tok/s",
        f"{decode_tps / ceiling:.0%} of what the memory's bandwidth allows at "
        f"{active_bytes / 1e6:.4g} MB a token"
        + ("" if memory.judged else "; what that is, is not sure enough to judge by"),
        {"decode_tps": decode_tps, "ceiling_tps": ceiling, "active_bytes": active_bytes},
    )


def paces(
    topic: str, subject: Subject, few: int, longer: int, most_rounds: int
) -> Iterator[Checked]:
    """Our rate over few tokens against differencing and against mlx-lm's own figure."""
    due = few / (few - 1)
    rounds, (differenced, native) = ratios.settle(
        decoding.paces(subject, decoding.prompt(SHORT_PROMPT), few, longer),
        (lambda one: one.short / one.differenced, lambda one: one.native / one.short / due),
        PACE_TOLERANCE,
        most_rounds,
    )
    yield _agreeing(
        topic,
        "two lengths",
        differenced,
        f"our rate over {few} tokens against the difference of {few} and {few + longer} tokens",
    )
    yield _agreeing(
        topic,
        "mlx-lm's own rate",
        native,
        f"mlx-lm divides {few} tokens by {few - 1} intervals, so × {due:.3f} of ours is due; shown "
        "is what is left",
        {"mlx_lm_tps": statistics.median(one.native for one in rounds)},
    )


def prefill(topic: str, subject: Subject, tokens: int, most_rounds: int) -> Iterator[Checked]:
    """The time to the first token against a forward that was waited for."""
    rounds, (found,) = ratios.settle(
        decoding.prefills(subject, tokens),
        (lambda one: one.loop_s / one.waited_s,),
        PACE_TOLERANCE,
        most_rounds,
    )
    seconds = statistics.median(one.loop_s for one in rounds)
    figures = {"ttft_s": seconds, "prefill_tps": tokens / seconds}
    said = f"{tokens} tokens in {milliseconds(seconds)}, against one forward that was waited for"
    yield _agreeing(topic, "prefill", found, said, figures)
    share = statistics.median(one.not_waited_s / one.waited_s for one in rounds)
    yield Checked(
        topic,
        "prefill without waiting",
        None,
        f"{share:.0%} of the time",
        "",
        f"async_eval and a bare synchronize would claim × {1 / share:.3g} the rate here",
        {"share": share},
    )


def _agreeing(
    topic: str,
    name: str,
    found: Agreement,
    said: str,
    figures: dict[str, float] | None = None,
) -> Checked:
    ratio = found.ratio
    assert ratio.low is not None
    assert ratio.high is not None
    noisy = "; too noisy to tell" if found.agrees is None else ""
    return Checked(
        topic,
        name,
        found.agrees,
        f"× {ratio.value:.3f} ({ratio.low:.3f}–{ratio.high:.3f}, n = {ratio.n})",
        f"1 ± {PACE_TOLERANCE:.0%}",
        said + noisy,
        {"ratio": ratio.value, "low": ratio.low, "high": ratio.high, **(figures or {})},
    )
