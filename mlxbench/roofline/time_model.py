"""Where a token's time goes: bytes at one rate, and a fixed cost for each kernel.

    t = bytes / bandwidth + kernels · kernel_s

A decoded token reads its bytes in many small kernels, and each costs its launch, its ramp up and
its tail however little it reads. On a fast memory that is most of a sparse model's time, which is
why such a model stays far below its ceiling. Two constants of a machine and an engine explain all
models on it, as far as this holds; how far, the leave-one-out errors tell.

The fit is linear least squares in 1/bandwidth and `kernel_s`, on relative errors: seconds per token
differ a hundredfold between models, and absolute errors would fit the slowest alone.

Traps:
- Points of one model at one depth give one equation for two unknowns, and models whose bytes and
  kernels are in proportion hardly more. Then there is no fit, rather than two wild constants.
- In a sweep over depths of one model, kernels do not change: `kernel_s` then is all that the bytes
  do not explain, and says nothing of another model.
- A model that takes part in a fit is explained by it, not predicted. Leave it out to predict it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# The squared sine of the angle between the columns of bytes and of kernels, each over its seconds.
# Below, an error of 1 % in the seconds moves the constants by their own size.
LEAST_INDEPENDENCE = 1e-4


@dataclass(frozen=True, slots=True)
class Observation:
    """One measured point: what a token read, in how many kernels, and how long it took."""

    name: str
    bytes_per_token: float
    kernels_per_token: float
    seconds_per_token: float


@dataclass(frozen=True, slots=True)
class TimeModel:
    """The two constants, in bytes per second and in seconds, and how many points gave them."""

    bandwidth: float
    kernel_s: float
    points: int

    def seconds(self, bytes_per_token: float, kernels_per_token: float) -> float:
        """The time of one token."""
        return bytes_per_token / self.bandwidth + kernels_per_token * self.kernel_s


def fit(observations: Sequence[Observation]) -> TimeModel | None:
    """The constants that fit best; `None` where the points do not determine two positive ones.

    With a = bytes/t and b = kernels/t of each point, minimise Σ(a·x + b·y - 1)² over x and y: the
    normal equations of two unknowns, x = 1/bandwidth.
    """
    a = [one.bytes_per_token / one.seconds_per_token for one in observations]
    b = [one.kernels_per_token / one.seconds_per_token for one in observations]
    aa, bb, ab = _product(a, a), _product(b, b), _product(a, b)
    determinant = aa * bb - ab * ab
    if determinant <= LEAST_INDEPENDENCE * aa * bb:  # also without points, and with only one
        return None
    per_byte = (math.fsum(a) * bb - math.fsum(b) * ab) / determinant
    per_kernel = (math.fsum(b) * aa - math.fsum(a) * ab) / determinant
    if per_byte <= 0 or per_kernel <= 0:
        return None
    return TimeModel(1 / per_byte, per_kernel, len(observations))


def leave_one_out(observations: Sequence[Observation]) -> list[float | None]:
    """For each point, how far off a fit of the others is: predicted over measured, minus 1.

    `None` where the others do not determine a fit.
    """
    errors: list[float | None] = []
    for index, left_out in enumerate(observations):
        others = fit([*observations[:index], *observations[index + 1 :]])
        errors.append(error_of(others, left_out) if others else None)
    return errors


def error_of(model: TimeModel, point: Observation) -> float:
    """Predicted over measured seconds of a point, minus 1."""
    predicted = model.seconds(point.bytes_per_token, point.kernels_per_token)
    return predicted / point.seconds_per_token - 1


def _product(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(left, right, strict=True))
