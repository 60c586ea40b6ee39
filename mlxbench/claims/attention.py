"""Flash attention: does it cover the expert blocks, and does it double what bandwidth is left?

Two halves. At several depths, decoding with MLX's fused attention is held against the same steps
spelt out in plain operations; the fused one would have to be twice as fast at the deepest. And the
blocks after attention alone, without it, must not notice which attention is installed.

Traps: where no attention is fused, as on mlx's CPU, both arms would be the same one, and their
ratio no finding. And which blocks come after attention is known of Qwen-3's families only.
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
    assert subject.swaps.manual_attention is not None
    spelt_out = Options(kernels=(subject.swaps.manual_attention,))
    parts = []
    for depth in subject.sizes.depths:
        task = replace(subject.sizes.decode, depth=depth)
        arms = {
            MANUAL: Arm(subject.target, task, spelt_out),
            FUSED: Arm(subject.target, task),
        }
        parts.append(Part(_at(depth), arms))
    if subject.model.shape is not None:
        blocks = _only_blocks(subject)
        arms = {
            MANUAL: Arm(blocks, subject.sizes.decode, spelt_out),
            FUSED: Arm(blocks, subject.sizes.decode),
        }
        parts.append(Part(BLOCKS, arms))
    return Setup(tuple(parts))


def judge(evidence: Evidence) -> Judgement | None:
    depths = [part.name for part in evidence.setup.parts if part.name != BLOCKS]
    found = {name: speed for name in depths if (speed := evidence.speed(name, FUSED))}
    if not found:
        return None
    deepest = list(found)[-1]
    said = ", ".join(f"{times(speed.ratio)} {name}" for name, speed in found.items())
    if missing := [name for name in depths if name not in found]:
        said += f" (not measured {', '.join(missing)})"
    blocks = evidence.speed(BLOCKS, FUSED)
    same = unchanged(blocks) if blocks else None
    word = at_least(found[deepest].ratio, CLAIMED)
    if word == "supported" and same != "not supported":
        word = "not supported" if same == "supported" else "inconclusive"
    others = {
        "supported": "the blocks after attention do not notice it",
        "not supported": "the blocks after attention change too",
        "inconclusive": "whether the blocks after attention change is not settled",
        None: "the blocks after attention were not measured",
    }[same]
    others += f", {times(blocks.ratio)}" if blocks else ""
    return Judgement(
        word,
        found[deepest].ratio,
        f"speed with fused attention over attention spelt out, {deepest}",
        f"Fused attention brings {said}; {others}.",
    )


def unfit(subject: Subject) -> str | None:
    if subject.swaps.manual_attention is not None:
        return None
    return "mlx has no fused attention on a CPU, so there is nothing to hold it against"


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
    unfit=unfit,
    uses=("depths",),
)
