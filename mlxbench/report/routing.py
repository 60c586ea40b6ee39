"""A changed routing in words."""

from __future__ import annotations

from mlxbench.records import BAN, PIN, Routing
from mlxbench.report.format import counted


def routing_words(routing: Routing) -> list[str]:
    """A changed routing in a few words."""
    counts = {
        "banned": sum(one.bias <= BAN for one in routing.biases),
        "pinned": sum(one.bias >= PIN for one in routing.biases),
        "promoted": sum(BAN < one.bias < PIN for one in routing.biases),
    }
    named = [f"{count} {what}" for what, count in counts.items() if count]
    return [*([counted(routing.top_k, "expert")] if routing.top_k else []), *named]
