"""Every kernel held to its truth, and to itself on another backend.

On a Mac or an NVIDIA GPU a kernel is checked there, and where a clang is at hand also by the CPU
runner, with the outputs of the two compared. Without a GPU the CPU runner is all there is. Tricks
in plain MLX have no kernel to compare, and are checked on the device alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlxbench.lab import backends
from mlxbench.lab.backends import Backend
from mlxbench.lab.checking import Check, check
from mlxbench.lab.device_checks import two_backends
from mlxbench.lab.discovery import Found
from mlxbench.lab.judging import Judged
from mlxbench.selftest.checked import Checked
from mlxbench.selftest.private import foreign
from mlxbench.selftest.scale import Scale

SHOWN = 3
DECODE_TYPE = "bfloat16"


def topic(name: str) -> str:
    """What a kernel's checks are called."""
    return f"kernel {name}"


def check_kernel(
    found: Found, backend: Backend, other: Backend | None, scale: Scale
) -> Iterator[Checked]:
    """All checks of one experiment; `other` is the CPU runner, if it is another and is there."""
    few = two_backends.narrowed(found, scale.case_bytes, scale.dtypes, scale.cases)
    real = two_backends.at_decode_shape(found, DECODE_TYPE)
    alone = backend.name == backends.MSL_CPU  # there, ten seconds that `kernels check` takes too
    parts = [few, real] if scale.decode_shape and not alone else [few]
    kinds = [backend] if other is None or not found.experiment.kernels else [backend, other]
    for each in kinds:
        yield verdict(found, each, [one for part in parts for one in check(part, each)])
    if len(kinds) == 2:
        judged = [one for part in parts for one in two_backends.compare(part, kinds[0], kinds[1])]
        yield compared(found, kinds[0], kinds[1], judged)
    elif backend.name == backends.MSL_CPU and found.experiment.kernels:
        yield Checked(
            topic(found.experiment.name),
            "two backends",
            None,
            "one only",
            "",
            "there is no GPU here: nothing to compare the CPU runner with",
        )


def verdict(found: Found, backend: Backend, checks: Sequence[Check]) -> Checked:
    """What one backend's checks come to."""
    bad = [one for one in checks if not one.passed]
    where = [f"{one.case}, {one.dtype}, {one.output}: {one.finding}" for one in bad]
    shares = [one.max_error / one.tolerance for one in checks if one.max_error and one.tolerance]
    worst = f", errors up to {max(shares):.0%} of their limits" if shares else ""
    plain = "" if found.experiment.kernels else "plain MLX on this device, "
    return Checked(
        topic(found.experiment.name),
        f"check on {backend.name}" if found.experiment.kernels else "check",
        bool(checks) and not bad,
        f"{len(checks) - len(bad)} of {len(checks)} passed{worst}",
        "all",
        _first(where) or f"{plain}held to a reference in float64; {backend.verified_by}",
        {"largest_share_of_limit": max(shares, default=0.0)},
    )


def compared(found: Found, one: Backend, other: Backend, judged: Iterable[Judged]) -> Checked:
    """What two backends' outputs on equal inputs come to."""
    all_judged = list(judged)
    bad = [each for each in all_judged if each.fault]
    errors = [each.max_error for each in all_judged if each.max_error is not None]
    largest = max(errors, default=0.0)
    return Checked(
        topic(found.experiment.name),
        "two backends",
        bool(all_judged) and not bad,
        f"{len(all_judged) - len(bad)} of {len(all_judged)} agree, up to {largest:.2g} apart",
        "all",
        _first([f"{each.output}: {each.fault}" for each in bad])
        or f"{one.name} against {other.name} on equal inputs",
        {"largest_difference": largest},
    )


def missing_runner(found: Found, reason: str) -> Checked:
    """The CPU runner cannot be had here: no comparison, and why."""
    return Checked(
        topic(found.experiment.name), "check on msl-cpu", None, "not here", "", foreign(reason)
    )


def _first(findings: Sequence[str]) -> str:
    more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
    return foreign("; ".join(findings[:SHOWN])) + more
