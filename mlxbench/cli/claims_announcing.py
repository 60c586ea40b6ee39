"""What `mlxbench claims run` says before anything is made or loaded: how long it measures, how much
it reads and writes, and how many replies it asks for.

A budget bounds the measuring of a comparison. It does not bound the filling of contexts: arms of
one model and different settings take turns, so each trial reads its context anew, outside of what
is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mlxbench import synthetic
from mlxbench.claims import Part, Setup
from mlxbench.cli.display import stderr
from mlxbench.cli.expecting import Expected, probe_line
from mlxbench.paths import cache_directory
from mlxbench.records import Arm, Options, Probe, Timed
from mlxbench.report.format import counted, duration, gigabytes
from mlxbench.report.safe import one_line
from mlxbench.stats import FIRST_LOOK
from mlxbench.synthetic import Recipe
from mlxbench.synthetic.cache import FOLDER

WARM_UP = 1.5  # a comparison warms up for at most half of its budget more
FEWEST_TRIALS = 1 + FIRST_LOOK  # of each arm: one that warms up, and those before the first look
RATE_TRIALS = 8  # of what is measured alone, after a warm-up of at most half of a budget


def announce_made(recipes: Mapping[str, Recipe]) -> None:
    """What will be made of random weights, its bytes and its place; nothing if all is there."""
    folder = cache_directory() / FOLDER
    sizes = {
        name: synthetic.size_bytes(recipe)
        for name, recipe in recipes.items()
        if not _is_made(recipe, folder)
    }
    if sizes:
        each = ", ".join(f"{name} {gigabytes(size)}" for name, size in sizes.items())
        total = gigabytes(sum(sizes.values()))
        stderr.print(one_line(f"to be made of random weights in {folder}, {total}: {each}"))


def announce(setups: Iterable[Setup], budget: float, expected: Expected | None) -> None:
    """How many comparisons, how long they measure, and what they read besides."""
    setups = list(setups)
    parts = [part for setup in setups for part in setup.parts]
    alone = [arm for setup in setups for arm in setup.rates.values()]
    measuring = sum(_most_seconds(part, budget, expected) for part in parts)
    measuring += sum(budget / 2 + RATE_TRIALS * _trial_s(arm, expected) for arm in alone)
    read = sum(_tokens_to_read(part, budget, expected) for part in parts)
    what = f"{counted(len(setups), 'claim')} in {counted(len(parts), 'comparison')}"
    what += f" and {counted(len(alone), 'rate')}" if alone else ""
    stderr.print(
        f"{what}: about {duration(measuring)} of measuring, and "
        f"{'about' if expected else 'at least'} {read:,} prompt tokens to read; more where the "
        "fewest rounds outlast a budget, and loading besides"
    )


def announce_nothing(unfit: Mapping[str, str]) -> None:
    """That no claim applies, by name and reason."""
    reasons = "; ".join(f"{name}: {why}" for name, why in unfit.items())
    stderr.print(one_line(f"nothing to measure here: {reasons}"))


def announce_replies(
    arms: Iterable[Mapping[str, Arm]], rate_of: Callable[[str], Expected | None]
) -> None:
    """A line for each arm that is to reply; several claims may want the same one."""
    names: dict[Arm, str] = {}
    for wanted in arms:
        for name, arm in wanted.items():
            names.setdefault(arm, name)
    for arm, name in names.items():
        assert isinstance(arm.task, Probe)
        model = arm.target.model
        # With other settings its rate is another one too.
        expected = rate_of(model) if arm.options == Options() else None
        stderr.print(one_line(probe_line(f"{model} ({name})", arm.task, expected)))


def _is_made(recipe: Recipe, folder: Path) -> bool:
    """What has its final name is complete."""
    return (folder / recipe.directory_name).is_dir()


def _most_seconds(part: Part, budget: float, expected: Expected | None) -> float:
    """The budget with its warm-up; more where the fewest trials of a slow model take longer."""
    return max(WARM_UP * budget, FEWEST_TRIALS * _round_s(part, expected))


def _round_s(part: Part, expected: Expected | None) -> float:
    return sum(_trial_s(arm, expected) for arm in part.arms.values())


def _trial_s(arm: Arm, expected: Expected | None) -> float:
    """About how long a trial takes without its prompt; a launch takes next to nothing."""
    if expected is None or arm.target.engine != "mlx" or not isinstance(arm.task, Timed):
        return 0.0
    return arm.task.generation_tokens / expected.tps


def _tokens_to_read(part: Part, budget: float, expected: Expected | None) -> int:
    """Prompts and contexts over all trials; at least those of the fewest ones.

    An arm that shares its model with no other keeps its context from trial to trial. How many
    prompts are timed within a budget is not known beforehand.
    """
    arms = [arm for arm in part.arms.values() if arm.target.engine == "mlx"]
    trials = FEWEST_TRIALS
    if expected and part.metric == "decode" and arms:
        trials = max(trials, int(WARM_UP * budget / _round_s(part, expected)))
    targets = [arm.target for arm in arms]
    return sum(
        (arm.task.depth + arm.task.prompt_tokens) * (trials if targets.count(arm.target) > 1 else 1)
        for arm in arms
        if isinstance(arm.task, Timed)
    )
