"""The claims of the lab note's post-mortem, each as an experiment on the machine at hand.

The note explains its rates and its failed poem with eight claims. Read at Ollama 0.6.6's source
most of them are false there, and each is still a good question about MLX. So each is a pair of pure
functions: `setup` makes arms from a model, and `judge` reads what the common comparison protocol
found between them. Who runs the arms, and on what, is not decided here.

- `claim`: the words for all this.
- `judging`: the rules that turn an interval into a verdict.
- one module for each claim, in the order in which the note makes them.

Two traps. A claim about answers cannot be judged by speed: without replies of trained weights it
stays open, whatever the rates say. And an upper bound refutes or leaves open, it never supports.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlxbench.claims import (
    attention,
    bytes_model,
    decoding,
    experts,
    launch_latency,
    precision,
    prefill_step,
    router_fusion,
)
from mlxbench.claims.claim import (
    ON_CPU,
    ON_GPU,
    Claim,
    Evidence,
    Finding,
    Judgement,
    Model,
    Part,
    Passes,
    Setup,
    Shown,
    Sizes,
    Speed,
    Subject,
    Swaps,
    Use,
    Variants,
)
from mlxbench.errors import InputError, did_you_mean

CLAIMS = (
    router_fusion.CLAIM,
    attention.CLAIM,
    launch_latency.CLAIM,
    prefill_step.CLAIM,
    experts.CLAIM,
    precision.CLAIM,
    decoding.CLAIM,
    bytes_model.CLAIM,
)


def pick(names: Sequence[str]) -> list[Claim]:
    """The claims of these names, in the note's order; all of them for none. Raises InputError."""
    known = {claim.name: claim for claim in CLAIMS}
    for name in names:
        if name not in known:
            advice = f"{did_you_mean(name, known)}use {', '.join(known)}"
            raise InputError(f"no claim named {name!r}", advice)
    return [claim for claim in CLAIMS if claim.name in names or not names]


__all__ = [
    "CLAIMS",
    "ON_CPU",
    "ON_GPU",
    "Claim",
    "Evidence",
    "Finding",
    "Judgement",
    "Model",
    "Part",
    "Passes",
    "Setup",
    "Shown",
    "Sizes",
    "Speed",
    "Subject",
    "Swaps",
    "Use",
    "Variants",
    "pick",
]
