"""Kernels timed: alone, against stock and baselines; and in a model, beside the prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from mlxbench.report import comparison
from mlxbench.report.format import MISSING, significant
from mlxbench.report.terminal import table, text

US = 1e6
GB = 1e9
MISMATCH = "measured and predicted do not overlap: one of the two is wrong, find out which"


class Kernels(Protocol):
    """What this page needs of an experiment that was found."""

    @property
    def experiment(self) -> Any: ...


class Swapped(Protocol):
    """An experiment in a model."""

    @property
    def found(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Benched:
    """One experiment alone: every way of doing the operation, compared with stock."""

    name: str
    case: str
    verified_by: str
    bytes_moved: int
    bandwidth: float
    predicted: tuple[float, float]
    launches: tuple[int, int]
    read: comparison.Read | None

    def document(self) -> dict[str, Any]:
        """The comparison's document, with what is known of the kernel."""
        whole = comparison.document(self.read) if self.read else {"comparison": None}
        return {
            **whole,
            "kernel": self.name,
            "case": self.case,
            "verified_by": self.verified_by,
            "bytes_moved": self.bytes_moved,
            "measured_bandwidth": self.bandwidth,
            "predicted_ratio": list(self.predicted),
            "calls": None,
            "token_agreement": None,
            "ways": [self._way(arm) for arm in self._arms()],
        }

    def report(self) -> Iterator[Table | Text]:
        """A line for each way, by the letter that the verdicts use, and what was left out."""
        made = table(
            *("", self.name, "µs", "95 %", "GB/s", "of measured"),
            right=("µs", "95 %", "GB/s", "of measured"),
        )
        for arm in self._arms():
            way = self._way(arm)
            low, high = way["us_interval"]
            made.add_row(
                arm["label"],
                text(way["way"]),
                significant(way["us"]),
                f"{significant(low)}–{significant(high)}" if low and high else MISSING,
                significant(way["gb_per_s"]),
                f"{significant(100 * way['bandwidth_share'])} %",
            )
        yield made
        memory = significant(self.bandwidth / GB)
        yield text(f"{self.case}; memory of this machine: {memory} GB/s, measured")
        if self.read is None or not any(one["way"] == "ours" for one in self.document()["ways"]):
            yield text(f"ours is verified by {self.verified_by}, which says nothing of its speed")
        if self.read is not None:
            whole = self.read.comparison
            yield from (text(comparison.sentence(whole, one)) for one in self.read.claims)

    def _arms(self) -> list[dict[str, Any]]:
        return comparison.document(self.read)["comparison"]["arms"] if self.read else []

    def _way(self, arm: dict[str, Any]) -> dict[str, Any]:
        tps = arm["tps"]
        us = US / tps["value"]
        rate = self.bytes_moved * tps["value"]
        bounds = [US / end if end else None for end in (tps["high"], tps["low"])]
        return {
            "way": arm["target"]["model"].partition("/")[2],
            "us": us,
            "us_interval": bounds,
            "gb_per_s": rate / GB,
            "bandwidth_share": rate / self.bandwidth,
            "n": tps["n"],
        }


def benched(
    found: Kernels, verified_by: str, measured: Any, read: comparison.Read | None
) -> Benched:
    """What `bench` found of one experiment; `measured` is the memory's bandwidth."""
    experiment = found.experiment
    case = experiment.cases[0]
    dtype = next((d for d in experiment.dtypes if "bfloat16" in str(d)), experiment.dtypes[-1])
    prediction = experiment.prediction
    return Benched(
        experiment.name,
        case.name,
        verified_by,
        experiment.bytes_moved(case, dtype),
        measured.bytes_per_s,
        (prediction.low, prediction.high),
        experiment.launches,
        read,
    )


@dataclass(frozen=True, slots=True)
class Decoded:
    """Sets of kernels in a model: what they were tried with, and what they bring."""

    sets: tuple[tuple[str, ...], ...]
    predictions: tuple[tuple[float, float], ...]
    timed: tuple[tuple[str, ...], ...]
    tried: tuple[Any, ...]
    verified_by: str
    read: comparison.Read | None

    def document(self) -> dict[str, Any]:
        """The comparison's document, with each set, and of the last, all together, beside it."""
        whole = comparison.document(self.read) if self.read else {"comparison": None}
        sets = [self._set(index) for index in range(len(self.sets))]
        return {
            **whole,
            "verified_by": self.verified_by,
            **{key: sets[-1][key] for key in ("predicted_ratio", "calls", "token_agreement")},
            "sets": sets,
        }

    def report(self) -> Iterator[Table | Text]:
        """A line for each set, then the comparison."""
        made = table(
            *("kernels", "calls", "same tokens", "Δ logits", "predicted", "measured"),
            right=("calls", "same tokens", "Δ logits"),
        )
        for index, tried in enumerate(self.tried):
            one = self._set(index)
            low, high = one["predicted_ratio"]
            made.add_row(
                text(" + ".join(self.sets[index]) if len(self.sets[index]) == 1 else "together"),
                str(sum(tried.calls.values())),
                f"{tried.agreement:.0%}",
                f"{tried.logit_difference:.1e}",
                f"×{low:.3g}–{high:.3g}",
                _ratio(one["measured_ratio"]),
            )
        yield made
        yield text(f"verified by {self.verified_by}")
        if len(self.timed) < len(self.sets):
            yield text("not timed: what verifies these kernels says nothing of their speed")
        if any(self._set(index)["mismatch"] for index in range(len(self.sets))):
            yield text(f"warning: {MISMATCH}")
        if self.read is not None:
            yield from comparison.report(self.read)

    def _set(self, index: int) -> dict[str, Any]:
        names, prediction = self.sets[index], self.predictions[index]
        measured = self._measured(names)
        apart = measured is not None and (
            measured["high"] < prediction[0] or measured["low"] > prediction[1]
        )
        return {
            "kernels": list(names),
            "predicted_ratio": list(prediction),
            "measured_ratio": measured,
            "mismatch": apart,
            "calls": dict(self.tried[index].calls),
            "token_agreement": self.tried[index].agreement,
            "logit_difference": self.tried[index].logit_difference,
        }

    def _measured(self, names: tuple[str, ...]) -> dict[str, float] | None:
        """The ratio of an arm to stock; arms stand in the order of what was timed."""
        if self.read is None or names not in self.timed:
            return None
        verdict = self.read.findings[self.timed.index(names)].verdict
        if verdict is None:
            return None
        ratio = verdict.speed_ratio
        assert ratio.low is not None
        assert ratio.high is not None
        return {"value": ratio.value, "low": ratio.low, "high": ratio.high}


def decoded(
    sets: Sequence[Sequence[Swapped]],
    timed: Sequence[Sequence[Swapped]],
    tried: Sequence[Any],
    verified_by: str,
    read: comparison.Read | None,
) -> Decoded:
    """What `decode` found; the prediction of a set is the product of its kernels'."""

    def names(one: Sequence[Swapped]) -> tuple[str, ...]:
        return tuple(swap.found.experiment.name for swap in one)

    predictions = []
    for one in sets:
        low = high = 1.0
        for swap in one:
            low *= swap.found.experiment.prediction.low
            high *= swap.found.experiment.prediction.high
        predictions.append((low, high))
    return Decoded(
        tuple(map(names, sets)),
        tuple(predictions),
        tuple(map(names, timed)),
        tuple(tried),
        verified_by,
        read,
    )


def _ratio(measured: dict[str, float] | None) -> str:
    if measured is None:
        return "not timed"
    return f"×{measured['low']:.2f}–{measured['high']:.2f}"
