"""A probe whose replies leave no doubt about their grades."""

from __future__ import annotations

from collections.abc import Sequence

from mlxbench.acrostic import NOTE_PROMPT, PHRASE
from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Failed,
    FinishReason,
    Message,
    Options,
    Probe,
    Question,
    Run,
    Sampler,
    Target,
    Trial,
    TrialRecord,
)

RIGHT = f"The first letters of the lines spell {PHRASE}."
WRONG = "The first letters of the lines spell FOCUS IS YOUR WORST ENEMY."
NOTICED = "This poem is an acrostic, but I cannot make out what the first letters spell."
NOTHING = "The poem encourages us to keep going when life is hard."
IN_PROSE = f"<think>Could it be {PHRASE.lower()}? No, that is not it.</think>{NOTHING}"
CUT = "<think>Let me look at the lines again. Facing, Often,"

FOMO = Question("fomo-note", PHRASE, (Message("user", NOTE_PROMPT),))
CONTROL = Question(
    "control-ordinary-01", None, (Message("user", "What is this piece?\n\nA line."),)
)


def replied(text: str, tokens: int = 100, seconds: float = 2.0) -> Completed:
    """A reply; one that is `CUT` was ended by the budget."""
    end: FinishReason = "length" if text == CUT else "stop"
    stamps = tuple(seconds * (1 + step) / tokens for step in range(tokens))
    native = {"machine_s": seconds / 2}
    return Completed("device", stamps, seconds, 200, tokens, 1, end, text=text, native=native)


def probed(
    replies: Sequence[str | Trial],
    questions: Sequence[Question] = (FOMO,),
    suite: str = "fomo",
    model: str = "m",
    options: Options | None = None,
) -> Run:
    """A finished run whose trials are `replies`, the same number for each question."""
    samples = max(1, len(replies) // len(questions))
    probe = Probe(suite, tuple(questions), samples, Sampler(0.6, 0.95, 20, 5), 16_384)
    trials = [replied(one) if isinstance(one, str) else one for one in replies]
    failed = any(isinstance(trial, Failed) for trial in trials)
    return Run(
        run_id=f"20261127-000000-{suite[:6]}-{model}",
        created_utc="2026-11-27T00:00:00.000+00:00",
        command="mlxbench probe",
        arm=Arm(Target("mlx", model, "~/x"), probe, options or Options()),
        workload="standard",
        environment=Environment(machine="x86_64", versions={"mlx": "1"}),
        checkpoint=Checkpoint(model, "directory", "~/x", fingerprint=model * 4),
        status="failed" if failed else "done",
        trials=tuple(
            TrialRecord(place, "measured", "2026-11-27T00:00:00Z", trial)
            for place, trial in enumerate(trials)
        ),
    )
