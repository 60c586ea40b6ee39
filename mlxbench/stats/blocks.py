"""Who goes first in each pair: randomised ABBA blocks.

A block is two pairs, A B B A or B A A B. Within it a steady drift cancels. Two things can still
favour one arm over a whole run, and the sequence of blocks is a compromise between them:

- Carry-over: an arm leaves the machine changed for the trial after it (heat, clocks, caches). In
  A B B A | A B B A each arm follows itself as often as the other, so nothing is favoured. Where the
  kind of block switches, A B B A | B A A B, both arms of a pair follow the other one, and a
  carry-over of c moves that pair by c.
- Resonance: something else on the machine has a period of just one block, and favours one arm in
  all blocks of one kind. Switches turn it around.

To draw each block's kind by itself is to switch at half the places. That moves the result by c/4
however long one measures, so the more pairs, the more claims are false: with c = 1 %, 8 % of them
after 10 pairs on a typical machine and 45 % after 30 on a quiet one. So switches are few here, half
the square root of the number of blocks, in places that are drawn, as is the first arm: 5 % and 8 %.
The price is paid only at resonance, where more claims are false (a third, not a tenth, after 30
pairs). Over disturbances of all periods, both sequences do alike. The figures are those of
`benchmarks.comparison_power`.
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
