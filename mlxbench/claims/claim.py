"""What a claim is: words, an experiment made of arms, and a judge of what the arms showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlxbench import roofline
from mlxbench.records import Arm, Checkpoint, Metric, Probe, Sampler, Shape, Target, Timed
from mlxbench.stats import Estimate, Word

Finding = Literal["supported", "not supported", "inconclusive"]
# What somebody may ask for that matters to some claims only.
Use = Literal["depths", "prompts", "replies"]


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint to make arms from. `kernels_per_token` is counted where a claim needs it."""

    target: Target
    checkpoint: Checkpoint
    kernels_per_token: int | None = None

    @property
    def shape(self) -> Shape | None:
        return self.checkpoint.shape

    @property
    def experts(self) -> int:
        """How many experts a layer has; 0 for a dense or an unknown model."""
        return self.shape.num_experts if self.shape else 0

    @property
    def active_bytes(self) -> float | None:
        """Bytes of weights that one token reads, by the file's average bits where need be."""
        known = roofline.checkpoint_bytes(self.checkpoint)
        if known is not None:
            return known.active
        active, bits = self.checkpoint.params_active, self.checkpoint.bits_per_weight
        return active * bits / 8 if active and bits else None

    def bytes_per_token(self, task: Timed) -> float | None:
        """Bytes of weights and of keys and values that one decoded token of `task` reads."""
        context = task.depth + task.prompt_tokens + task.generation_tokens / 2
        kv = self.checkpoint.kv_bytes_per_token
        return None if self.active_bytes is None else self.active_bytes + (kv or 0) * context


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long the trials of the experiments are: short ones where only a CPU computes.

    `steps_prompt` is processed one token at a time too, so it is short; `prompts` are processed in
    large steps. `launches` are those of one trial. Arms of other options fill their contexts anew
    in each trial, outside of every budget: on a CPU that forbids long ones.
    """

    decode: Timed
    depths: tuple[int, ...]
    steps_prompt: int
    prompts: tuple[int, ...]
    launches: int


ON_CPU = Sizes(Timed("decode", 32, 16), (32, 128), 16, (512,), 256)
ON_GPU = Sizes(Timed("decode", 512, 128), (512, 4096, 32768), 64, (2048, 8192), 2048)


@dataclass(frozen=True, slots=True)
class Swaps:
    """The names under which the lab provides what arms swap in.

    `fused_router` is `None` where nothing here can time that kernel, `manual_attention` where no
    attention is fused; `chains` is the engine that times launches and expert blocks apart from a
    model's decoding.
    """

    oracle: str
    fused_router: str | None
    manual_attention: str | None
    chains: str
    dependent: str
    independent: str
    blocks: str


UNKNOWN = "the layers of its family are not known here"  # why a claim does not apply
LARGEST_BYTES = 3e9  # of a checkpoint that an experiment writes; fewer layers keep it there


@dataclass(frozen=True, slots=True)
class Variants:
    """Synthetic checkpoints of the first model's shape, by their layers and bits.

    `None` layers are the model's own, `None` bits are unquantised. `make` writes one to the disk
    unless it is there; `n_bytes` is what it takes.
    """

    make: Callable[[int | None, int | None], Model]
    n_bytes: Callable[[int | None, int | None], int]

    def most_layers(self, own: int, bits: int | None) -> int:
        """As many of its `own` layers as `LARGEST_BYTES` hold, and one at least."""
        one, two = self.n_bytes(1, bits), self.n_bytes(2, bits)
        return max(1, min(own, 1 + int((LARGEST_BYTES - one) // (two - one))))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a claim is tested on: the first model; the others stand beside it where they can.

    `variants` is `None` where the first model's shape is not known. `sampler` is what the model is
    recommended to be sampled with.
    """

    model: Model
    others: tuple[Model, ...]
    sizes: Sizes
    swaps: Swaps
    sampler: Sampler
    variants: Variants | None = None

    @property
    def target(self) -> Target:
        return self.model.target

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.model, *self.others)


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison of an experiment: arms by their names, each held against the first."""

    name: str
    arms: Mapping[str, Arm]
    metric: Metric = "decode"


@dataclass(frozen=True, slots=True)
class Setup:
    """The comparisons of an experiment, and the models whose figures its judge needs.

    `rates` are arms that are measured alone: what takes 500 times as long as the others is no
    comparison.
    """

    parts: tuple[Part, ...]
    models: Mapping[str, Model] = field(default_factory=dict)
    rates: Mapping[str, Arm] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speed:
    """An arm's speed over the first arm's, and the word that the comparison has for it."""

    ratio: Estimate
    word: Word


@dataclass(frozen=True, slots=True)
class Shown:
    """What one comparison came to, by its arms' names; an arm without a figure is left out.

    `rates` are tokens per second (launches per second of a chain).
    """

    comparison_id: str
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    rates: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passes:
    """How many of n replies gave the phrase."""

    passes: int
    n: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that an experiment showed: comparisons, probes and rates, by their names."""

    setup: Setup
    shown: Mapping[str, Shown]
    probes: Mapping[str, Passes] = field(default_factory=dict)
    rates: Mapping[str, Estimate] = field(default_factory=dict)

    def speed(self, part: str, arm: str) -> Speed | None:
        """What a comparison showed of an arm, if it did."""
        shown = self.shown.get(part)
        return shown.speeds.get(arm) if shown else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence says of the claim. `effect` is what `effect_is` names, a plain number."""

    word: Finding
    effect: Estimate | None
    effect_is: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the lab note.

    `unfit` says why the experiment makes no sense for a subject, `setup` makes its arms, `judge`
    reads what they showed; it gives `None` when that is too little for any figure. `probes` are the
    arms whose replies matter too, if replies are wanted. `counts_kernels` asks for the kernels per
    token of the setup's models. `uses` are the wishes that change the experiment.
    """

    name: str
    claim: str
    published: str
    source_says: str
    experiment: str
    setup: Callable[[Subject], Setup]
    judge: Callable[[Evidence], Judgement | None]
    unfit: Callable[[Subject], str | None] = lambda _: None
    probes: Callable[[Subject, Probe], Mapping[str, Arm]] = lambda _subject, _probe: {}
    counts_kernels: bool = False
    uses: tuple[Use, ...] = ()
