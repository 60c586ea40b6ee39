"""What stands in a roofline: a model's bytes, its ceilings, and what was measured of it here.

The ceiling is the memory's bandwidth over the bytes that a token reads. The prediction is the
two-constant model of `roofline.time_model`, fitted to the stored rates of this machine. A rate that
took part in the fit is explained by it, not predicted: how well the model predicts, the
leave-one-out errors say, each from a fit of all other rates. And two constants go through any two
rates exactly, which is no sign that they are right: then no error is known.

Measured rows have a context of their own, the middle of a trial, between the depths asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxbench import roofline
from mlxbench.records import Checkpoint, Reference, Shape
from mlxbench.report.roofline_points import Point
from mlxbench.roofline import TimeModel

if TYPE_CHECKING:
    from mlxbench.engines.mlx.tracing import Counted

# Weights of two builds are the same for a rate if a token reads the same bytes, within this.
SAME_BYTES = 0.01
CONSTANTS = 2  # of the time model
# A model that reads more, or less, than the fitted ones by this factor is far outside of the fit.
FAR = 10


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model before it runs; `origin` says from where.

    `quantization` is as in `Checkpoint`; `value_bytes` is the width of activations and KV cache.
    """

    name: str
    origin: str
    shape: Shape
    quantization: Mapping[str, Any]
    value_bytes: int
    weight_bytes: int
    active_bytes: int

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token of context adds to what every later token reads."""
        return roofline.kv_bytes_per_token(self.shape, cache_bytes=self.value_bytes)

    @property
    def bits_per_weight(self) -> float:
        """All bits over all parameters."""
        return 8 * self.weight_bytes / roofline.parameters(self.shape).total


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes per second and their source; a measured one has its slowest and its fastest pass."""

    value: float
    source: str
    low: float | None = None
    high: float | None = None
    passes: int | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """The stored rates, the time model that fits them, and how far it errs on each left out.

    `errors[i]` is predicted over measured rate, minus 1, for `points[i]` by a fit of all others.
    """

    points: tuple[Point, ...] = ()
    model: TimeModel | None = None
    errors: tuple[float | None, ...] = ()

    @property
    def can_err(self) -> bool:
        """Whether there are more rates than constants, without which nothing shows an error."""
        return len(self.points) > CONSTANTS

    @property
    def read(self) -> tuple[float, float] | None:
        """The fewest and the most bytes per token that were fitted; `None` without a fit."""
        found = [point.bytes_per_token for point in self.points]
        return (min(found), max(found)) if self.model else None

    @property
    def known_errors(self) -> list[float]:
        """Sizes of the leave-one-out errors, where the other points determine a fit."""
        return [abs(error) for error in self.errors if error is not None]


@dataclass(frozen=True, slots=True)
class Row:
    """One context: a depth that was asked for, or a measured rate.

    `error` is predicted over measured rate, minus 1; `None` where there is no such thing.
    """

    context: float
    bytes_per_token: float
    ceiling_tps: float
    predicted_tps: float | None
    point: Point | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Roofline:
    """Everything that is shown of one model; `backend` is that of the device here."""

    model: Model
    backend: str | None
    kernels: Counted
    bandwidth: Bandwidth
    rows: tuple[Row, ...]
    fitted: Fitted
    references: tuple[Reference, ...] = ()

    @property
    def far_outside(self) -> list[Row]:
        """The predicted rows whose bytes lie far outside of what was fitted."""
        if (read := self.fitted.read) is None:
            return []
        low, high = read[0] / FAR, read[1] * FAR
        return [row for row in self.rows if not low <= row.bytes_per_token <= high]


def of_shape(
    name: str, origin: str, shape: Shape, quantization: Mapping[str, Any], value_bytes: int = 2
) -> Model:
    """A model of which only the shape and the widths are known."""
    found = roofline.read_bytes(shape, quantization, value_bytes)
    return Model(name, origin, shape, quantization, value_bytes, found.stored, found.active)


def of_checkpoint(name: str, origin: str, checkpoint: Checkpoint) -> Model | None:
    """A model whose files are known; `None` where they are not those of a Qwen-3 shape."""
    found, shape = roofline.checkpoint_bytes(checkpoint), checkpoint.shape
    if found is None or shape is None:
        return None
    width = roofline.value_bytes(checkpoint)
    stored, active = found.stored, found.active
    return Model(name, origin, shape, checkpoint.quantization, width, stored, active)


def fitted(points: Sequence[Point]) -> Fitted:
    """Fit the time model, and again without each point."""
    observations = [point.observation for point in points]
    left_out = roofline.leave_one_out(observations)
    errors = tuple(None if error is None else 1 / (1 + error) - 1 for error in left_out)
    return Fitted(tuple(points), roofline.fit(observations), errors)


def rows(
    model: Model,
    depths: Sequence[int],
    bandwidth: float,
    known: Fitted,
    kernels_at: Callable[[int], int],
) -> tuple[Row, ...]:
    """The depths asked for and the rates measured of these weights, by context."""

    def row(context: float, point: Point | None) -> Row:
        read = roofline.bytes_per_token(model.active_bytes, model.kv_bytes_per_token, context)
        seconds = known.model and known.model.seconds(read, kernels_at(round(context)))
        predicted = 1 / seconds if seconds else None
        error = predicted / point.tps.value - 1 if predicted and point and known.can_err else None
        return Row(context, read, bandwidth / read, predicted, point, error)

    asked = [row(depth, None) for depth in sorted(set(depths))]
    measured = [row(point.context, point) for point in known.points if _same(model, point)]
    return tuple(sorted([*asked, *measured], key=lambda one: one.context))


def _same(model: Model, point: Point) -> bool:
    return (
        point.shape == model.shape
        and abs(point.active_bytes / model.active_bytes - 1) <= SAME_BYTES
    )


def share(shape: Shape, reference: Reference) -> float | None:
    """A published rate over the ceiling of its own chip and format; `None` where one is unknown."""
    stated = roofline.BANDWIDTH.get(" ".join(reference.machine.split()[:2]))
    engine = reference.engine.lower()
    if reference.decode_tps is None or stated is None:
        return None
    if "q4_k_m" in engine:
        return reference.decode_tps * roofline.q4_k_m_active_bytes(shape) / stated
    if "mlx 4-bit" in engine:
        return reference.decode_tps * roofline.active_bytes(shape) / stated
    return None
