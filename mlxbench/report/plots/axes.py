"""Scales: where an axis begins and ends, whether it is logarithmic, and which ticks fit on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mlxbench.report.plots.style import SMALL, text_width

LOG_FROM = 25  # largest over smallest value: beyond, a linear scale shows the small ones as 0
TICK_GAP = 0.12  # inches between the texts of two ticks


def plain(value: float) -> str:
    """A tick's number, never as a power of ten where people would not write one."""
    return f"{value:,.10g}" if value >= 1e-4 or not value else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal scale. `lines` and `band` mark values that mean something."""

    label: str
    low: float
    high: float
    log: bool = False
    candidates: Sequence[float] = ()
    show: Callable[[float], str] = plain
    lines: Sequence[float] = ()
    band: tuple[float, float] | None = None

    def ticks(self, width: float) -> list[float]:
        """As many of the candidates, the first ones first, as have room on `width` inches."""
        chosen: list[float] = []
        for value in self.candidates:
            if self.low <= value <= self.high and all(
                self._far_enough(value, other, width) for other in chosen
            ):
                chosen.append(value)
        return sorted(chosen)

    def _far_enough(self, value: float, other: float, width: float) -> bool:
        texts = text_width(self.show(value), SMALL) + text_width(self.show(other), SMALL)
        distance = abs(self._place(value) - self._place(other)) * width
        return distance >= texts / 2 + TICK_GAP

    def _place(self, value: float) -> float:
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def amounts(label: str, values: Iterable[float], show: Callable[[float], str] = plain) -> Axis:
    """A scale for positive amounts: from 0, or logarithmic where they differ much."""
    kept = [value for value in values if value > 0] or [1.0]
    low, high = min(kept), max(kept)
    if high / low > LOG_FROM:
        return Axis(label, low / 1.3, high * 1.3, True, decades(low / 10, high * 10), show)
    top = high * 1.06
    return Axis(label, 0.0, top, False, even_steps(top), show)


def decades(low: float, high: float) -> list[float]:
    """Round values between two amounts, the powers of ten first."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [
        round(digit * 10.0**power, 12)
        for digits in ((1,), (3,), (2, 5), (7, 1.5))
        for digit in digits
        for power in range(first, last + 1)
    ]


def even_steps(top: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from 0 to `top`."""
    power = 10.0 ** math.floor(math.log10(top / most))
    step = next(digit * power for digit in (1, 2, 2.5, 5, 10, 20) if digit * power * most >= top)
    return [round(step * index, 12) for index in range(int(top / step) + 1)]
