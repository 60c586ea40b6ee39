"""Who goes first in each pair: randomised ABBA blocks.

A block is two pairs, A B B A or B A A B. Within it a steady drift cancels. Three things can favour
one arm over a whole run, and the sequence of blocks is a compromise between them:

- A disturbance whose period happens to be that of the blocks favours one arm in all blocks of one
  kind. Whether a run begins with A is therefore drawn, and so is where the kind switches.
- An arm can leave the machine changed for the trial after it (heat, clocks, caches): carry-over. In
  A B B A | A B B A each arm follows itself as often as it follows the other, so nothing is
  favoured. At a switch, A B B A | B A A B, both arms of the next pair follow the other one, and a
  carry-over of c moves that pair by c.
- Drawing each block's kind by itself switches at half the places, moves the result by c/4 at any
  length, and so makes ever more claims false the longer one measures. (`benchmarks` measures it.)

So switches are few, and become rarer the longer the run: half the square root of the number of
blocks. A carry-over then stays the same small part of the interval at any length.
"""

from __future__ import annotations

import math
from random import Random
from typing import Literal

Order = Literal["AB", "BA"]

PAIRS_PER_BLOCK = 2


def abba_orders(pairs: int, draw: Random) -> list[Order]:
    """The order of each of `pairs` pairs; the same `draw` gives the same orders.

    An odd number ends with half a block.
    """
    blocks = math.ceil(pairs / PAIRS_PER_BLOCK)
    switches = max(1, round(math.sqrt(blocks) / 2)) if blocks > 1 else 0
    switched_at = set(draw.sample(range(1, blocks), switches))
    first: Order = draw.choice(("AB", "BA"))
    orders: list[Order] = []
    for block in range(blocks):
        if block in switched_at:
            first = _other(first)
        orders += [first, _other(first)]
    return orders[:pairs]


def _other(order: Order) -> Order:
    return "BA" if order == "AB" else "AB"
