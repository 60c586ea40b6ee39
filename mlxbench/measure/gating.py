"""Is the machine fit to measure on: asked before a comparison and after each of its rounds.

Other work and a busy GPU are asked about once, before the first trial: afterwards it is the
measurement itself that keeps them busy. Heat, power and memory pressure are asked about again.
"""

from __future__ import annotations

from mlxbench.environment import conditions_now
from mlxbench.environment.gates import LASTING, check
from mlxbench.errors import MeasurementError
from mlxbench.records import Environment, Notice


class Gate:
    """Collects what spoils a measurement; with `strict`, the first of it is an error."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._found: dict[str, Notice] = {}

    def before(self, environment: Environment) -> None:
        """Check everything. Raises MeasurementError when strict."""
        self._add(check(environment))

    def again(self, environment: Environment) -> None:
        """Check what can change while measuring. Raises MeasurementError when strict."""
        if environment == Environment():  # simulated: nothing here can change
            return
        now = check(conditions_now(environment))
        self._add(tuple(notice for notice in now if notice.code in LASTING))

    def add(self, notice: Notice) -> None:
        """Keep a warning of the comparison's own."""
        self._found.setdefault(notice.code, notice)

    def notices(self) -> tuple[Notice, ...]:
        """Each different one, in the order in which they were first seen."""
        return tuple(self._found.values())

    def _add(self, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            if self._strict:
                raise MeasurementError(notice.message, f"{notice.advice}, or leave out --strict")
            self.add(notice)
