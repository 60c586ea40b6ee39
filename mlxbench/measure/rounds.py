"""In which order the arms run: fixed by a seed before the first trial.

Two arms run in randomised ABBA blocks (see `stats.blocks`). More arms run in randomised complete
blocks: every round holds each arm once, in random order, and every second round is the one before
it backwards, so that a steady drift cancels within two rounds.
"""

from __future__ import annotations

from random import Random

from mlxbench import stats


def round_orders(arms: int, rounds: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """The order of the arms in each round, as indices."""
    draw = Random(seed)
    if arms == 2:
        pairs = stats.abba_orders(rounds, draw)
        return tuple((0, 1) if order == "AB" else (1, 0) for order in pairs)
    orders: list[tuple[int, ...]] = []
    while len(orders) < rounds:
        forward = tuple(draw.sample(range(arms), arms))
        orders += [forward, forward[::-1]]
    return tuple(orders[:rounds])
