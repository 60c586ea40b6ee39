"""Flash attention: does it cover the expert blocks, and does it double what bandwidth is left?

Two halves. At several depths, decoding with MLX's fused attention is held against the same steps
spelt out in plain operations; the fused one would have to be twice as fast at the deepest. And the
blocks after attention alone, without it, must not notice which attention is installed.
"""

from __future__ import annotations

from dataclasses import replace

from mlxbench.claims.claim import Claim, Evidence, Judgement, Part, Setup, Subject
from mlxbench.claims.judging import at_least, times, unchanged
from mlxbench.records import Arm, Options, Target

CLAIMED = 2.0
MANUAL, FUSED = "spelt out", "fused"
BLOCKS = "blocks"


def setup(subject: Subject) -> Setup:
    spelt_out = Options(kernels=(subject.swaps.manual_attention,))
    parts = []
    for depth in subject.sizes.depths:
        task = replace(subject.sizes.decode, depth=depth)
        arms = {
            MANUAL: Arm(subject.target, task, spelt_out),
            FUSED: Arm(subject.target, task),
        }
        parts.append(Part(_at(depth), arms))
    blocks = _only_blocks(subject)
    arms = {
        MANUAL: Arm(blocks, subject.sizes.decode, spelt_out),
        FUSED: Arm(blocks, subject.sizes.decode),
    }
    return Setup((*parts, Part(BLOCKS, arms)))


def judge(evidence: Evidence) -> Judgement | None:
    depths = [part.name for part in evidence.setup.parts if part.name != BLOCKS]
    found = {name: evidence.speed(name, FUSED) for name in depths}
    said = [f"{times(speed.ratio)} {name}" for name, speed in found.items() if speed]
    deepest, blocks = found[depths[-1]], evidence.speed(BLOCKS, FUSED)
    if deepest is None:
        return None
    word = at_least(deepest.ratio, CLAIMED)
    others = "the blocks after attention were not measured"
    if blocks is not None:
        same = unchanged(blocks)
        others = {
            "supported": "the blocks after attention do not notice it",
            "not supported": "the blocks after attention change too",
            "inconclusive": "whether the blocks after attention change is not settled",
        }[same] + f", {times(blocks.ratio)}"
        if word == "supported" and same != "not supported":
            word = "not supported" if same == "supported" else "inconclusive"
    return Judgement(
        word,
        deepest.ratio,
        f"speed with fused attention over attention spelt out, {depths[-1]}",
        f"Fused attention brings {', '.join(said)}; {others}.",
    )


def _at(depth: int) -> str:
    return f"at depth {depth:,}"


def _only_blocks(subject: Subject) -> Target:
    """The same checkpoint in the engine that runs what comes after attention, alone."""
    return replace(
        subject.target,
        engine=subject.swaps.chains,
        model=f"{subject.target.model}/{subject.swaps.blocks}",
    )


CLAIM = Claim(
    name="sdpa",
    claim="FlashAttention covers the expert blocks and doubles the headroom in bandwidth",
    published="2×",
    source_says="false: it is used in attention only, whose keys and values were 1.4 % of the "
    "bytes read",
    experiment="decode at several depths: fused attention and the same spelt out; and the blocks "
    "after attention alone, which must not change",
    setup=setup,
    judge=judge,
)
