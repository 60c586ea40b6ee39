"""How fast decoding can be at most: the memory must deliver what each token reads.

At batch 1 a decoded token reads every active weight once and the keys and values of the whole
context, and computes almost nothing with them. So the memory's bandwidth over those bytes is a
ceiling that no kernel breaks, for models that no cache holds. (Williams, Waterman and Patterson,
"Roofline", 2009: the slanted part of the roof.)
"""

from __future__ import annotations


def bytes_per_token(active_bytes: float, kv_bytes_per_token: float, depth: float) -> float:
    """Bytes that one token reads with `depth` tokens before it."""
    return active_bytes + kv_bytes_per_token * depth


def ceiling_tps(
    bandwidth: float, active_bytes: float, kv_bytes_per_token: float, depth: float
) -> float:
    """Tokens per second that `bandwidth` (bytes per second) allows at `depth`, at batch 1."""
    return bandwidth / bytes_per_token(active_bytes, kv_bytes_per_token, depth)
