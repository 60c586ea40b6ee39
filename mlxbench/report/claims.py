"""The post-mortem's own table, with what was measured here beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from mlxbench.claims import Claim, Judgement, Part, Shown, Speed
from mlxbench.claims.judging import times
from mlxbench.records import Environment
from mlxbench.report.comparison import Read
from mlxbench.report.format import MISSING
from mlxbench.report.terminal import table, text
from mlxbench.stats import Estimate

NOTES_MACHINE = "Apple M3 Ultra"
NOT_MEASURED, DOES_NOT_APPLY = "not measured", "does not apply"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claim: a judgement, or why there is none.

    `unfit` says why the experiment makes no sense for the model; `failure` why it could not be
    measured, and beside a judgement what part of it could not. `runs` are rates measured alone.
    """

    claim: Claim
    judgement: Judgement | None = None
    comparisons: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    unfit: str | None = None
    failure: str | None = None

    @property
    def verdict(self) -> str:
        """One word or two."""
        if self.judgement:
            return self.judgement.word
        return DOES_NOT_APPLY if self.unfit else NOT_MEASURED

    @property
    def sentence(self) -> str:
        """The finding in words, or why there is none."""
        said = self.judgement.sentence if self.judgement else self.unfit
        return " ".join(part for part in (said, self.failure) if part)


def shown(read: Read, part: Part) -> Shown:
    """What a judge needs of a comparison; a confirmed effect takes the place of the first one."""
    names = list(part.arms)
    confirmed = {read.confirmed.arm: read.confirmed} if read.confirmed else {}
    findings = [confirmed.get(one.arm, one) for one in read.claims]
    return Shown(
        read.comparison.comparison_id,
        {
            names[one.arm]: Speed(one.verdict.speed_ratio, one.verdict.word)
            for one in findings
            if one.verdict
        },
        {name: rate for name, rate in zip(names, read.rates, strict=True) if rate},
    )


def report(
    outcomes: Sequence[Outcome], environment: Environment, models: Sequence[str], synthetic: bool
) -> Iterator[Table | Text]:
    """The table, a paragraph for each claim, and what it was measured on."""
    yield _table(outcomes)
    for one in outcomes:
        yield Text("")
        yield Text.assemble((f"{one.claim.name}: ", "bold"), text(one.sentence))
        if kept := (*one.comparisons, *one.runs):
            yield Text(f"kept as {' '.join(kept)}", style="dim")
    yield Text("")
    yield text(f"measured here: {', '.join(models)} on {machine(environment)}")
    for note in (backend_note(environment), _random(synthetic)):
        if note:
            yield Text(note, style="yellow")


def list_report(claims: Sequence[Claim]) -> Iterator[Table | Text]:
    """Every claim: its words, what the note has for it, what the source says, what is tried."""
    for claim in claims:
        yield Text.assemble((claim.name, "bold"), text(f": {claim.claim}"))
        yield text(f"  in the lab note: {claim.published}")
        yield text(f"  in Ollama 0.6.6's source: {claim.source_says}")
        yield text(f"  experiment: {claim.experiment}")
        yield Text("")


def listed(claim: Claim) -> dict[str, Any]:
    """A claim as scripts see it in a list."""
    return {
        "name": claim.name,
        "claim": claim.claim,
        "published": claim.published,
        "source_says": claim.source_says,
        "experiment": claim.experiment,
    }


def document(
    outcomes: Sequence[Outcome], environment: Environment, models: Sequence[str], synthetic: bool
) -> dict[str, Any]:
    """The JSON document for scripts; `synthetic` says that weights are random."""
    return {
        "claims": [_document(one) for one in outcomes],
        "models": list(models),
        "synthetic": synthetic,
        "machine": machine(environment),
        "environment": asdict(environment),
        "backend_note": backend_note(environment),
    }


def machine(environment: Environment) -> str:
    """The machine's name, its system and what computed."""
    system = " ".join(part for part in (environment.os, environment.os_version) if part)
    parts = (
        environment.accelerator or environment.cpu or environment.machine,
        environment.accelerator_backend,
        system or None,
    )
    return ", ".join(part for part in parts if part) or "an unknown machine"


def backend_note(environment: Environment) -> str | None:
    """That the note's machine is another one, where it is."""
    name, backend = environment.accelerator, environment.accelerator_backend
    if backend == "cpu":
        return (
            "measured on a CPU: an answer for this CPU, not for the lab note's M3 Ultra, where "
            "launches, attention and memory are others"
        )
    if name == NOTES_MACHINE:
        return None
    return f"the lab note is about an M3 Ultra; this is an answer for {name or 'another machine'}"


def _random(synthetic: bool) -> str | None:
    if not synthetic:
        return None
    return "random weights: rates are those of the shape, and there are no answers to judge"


def _table(outcomes: Sequence[Outcome]) -> Table:
    made = table("claim", "lab note", "source", "measured here", "effect, 95 %", "n")
    made.columns[0].no_wrap = made.columns[1].no_wrap = True
    made.columns[3].no_wrap = True
    made.columns[-1].justify = "right"
    made.caption = "source: what Ollama 0.6.6's source says of the claim"
    made.caption_justify = "left"
    for one in outcomes:
        effect = one.judgement.effect if one.judgement else None
        made.add_row(
            one.claim.name,
            one.claim.published,
            one.claim.source_says.partition(":")[0],
            one.verdict,
            _effect(effect, one.judgement.effect_is if one.judgement else ""),
            str(effect.n) if effect else MISSING,
        )
    return made


def _effect(effect: Estimate | None, effect_is: str) -> str:
    if effect is None:
        return MISSING
    if not effect_is.startswith("share"):
        return times(effect)
    if effect.low is None or effect.high is None:
        return f"{effect.value:.0%}"
    return f"{effect.value:.0%} ({effect.low:.0%}–{effect.high:.0%})"


def _document(one: Outcome) -> dict[str, Any]:
    judgement = one.judgement
    effect = judgement.effect if judgement else None
    return {
        "name": one.claim.name,
        "claim": one.claim.claim,
        "published": one.claim.published,
        "source_says": one.claim.source_says,
        "verdict": one.verdict,
        "effect": effect.value if effect else None,
        "effect_is": judgement.effect_is if judgement else None,
        "interval": [effect.low, effect.high] if effect else None,
        "n": effect.n if effect else 0,
        "comparisons": list(one.comparisons),
        "runs": list(one.runs),
        "sentence": one.sentence,
        "failure": one.failure,
    }
