"""The simulated engine as measure sees it: open arms, run trials, read the virtual clock."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from mlxbench import engines
from mlxbench.engines.protocol import Loaded
from mlxbench.engines.sim.trials import GAP_S
from mlxbench.errors import InputError, MeasurementError
from mlxbench.measure import Plan, Progress, trials
from mlxbench.records import (
    GREEDY,
    Arm,
    Completed,
    Failed,
    Generate,
    Message,
    Options,
    Target,
    Timed,
    Trial,
)

DECODE = Timed("decode", prompt_tokens=512, generation_tokens=256)
PREFILL = Timed("prefill", prompt_tokens=512)
CHAT = Generate((Message("user", "Say one short sentence."),), GREEDY, token_budget=100)

Open = Callable[[str], Loaded]


def target(location: str) -> Target:
    return Target("sim", "simulated", location)


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens arms and closes them after the test, so that no machine outlives it."""
    everything: list[Loaded] = []

    def open_arm(location: str) -> Loaded:
        loaded = engines.engine("sim").open(target(location))
        everything.append(loaded)
        return loaded

    yield open_arm
    for loaded in everything:
        loaded.close()


def completed(trial: Trial) -> Completed:
    assert isinstance(trial, Completed), trial
    return trial


def run(loaded: Loaded, seed: int = 0) -> Completed:
    return completed(loaded.run(DECODE, Options(), seed))


def step_s(trial: Completed) -> float:
    return (trial.stamps[-1] - trial.stamps[0]) / (len(trial.stamps) - 1)


def whole_life(locations: Sequence[str], order: Sequence[int]) -> list[Trial]:
    """Open `locations`, run trials in `order` with seeds 0, 1, …, and close everything."""
    arms = [engines.engine("sim").open(target(location)) for location in locations]
    result = [arms[arm].run(DECODE, Options(), seed) for seed, arm in enumerate(order)]
    for arm in arms:
        arm.close()
    return result


def test_an_ideal_arm_takes_its_prefill_its_steps_and_the_gap(opened: Open) -> None:
    loaded = opened("itl=0.010,machine=ideal/0,prefill=0.001")
    trial = run(loaded)

    assert trial.clock == "virtual"
    assert len(trial.stamps) == trial.generated_tokens == 256
    assert trial.stamps[0] == pytest.approx(0.512)
    assert step_s(trial) == pytest.approx(0.010)
    assert trial.duration_s == pytest.approx(0.512 + 255 * 0.010 + GAP_S)
    assert (trial.prompt_tokens, trial.finish_reason) == (512, "length")


def test_the_defaults_leave_the_overhead_with_which_the_regimes_were_studied(opened: Open) -> None:
    trial = run(opened("itl=0.010,machine=ideal/0"))

    assert trial.duration_s == pytest.approx(0.44 + 255 * 0.010)


def test_native_rates_divide_all_tokens_by_the_intervals_between_them(opened: Open) -> None:
    trial = run(opened("itl=0.010,machine=ideal/0"))

    assert trial.native["decode_tps"] == pytest.approx(256 / 2.55)
    assert trial.native["prefill_tps"] == pytest.approx(2000.0)


def test_a_prefill_ends_with_its_first_token(opened: Open) -> None:
    trial = completed(opened("itl=0.010,machine=ideal/0").run(PREFILL, Options(), 0))

    assert list(trial.stamps) == pytest.approx([0.256])
    assert trial.generated_tokens == 1
    assert trial.native == pytest.approx({"prefill_tps": 2000.0})


def test_a_batch_multiplies_tokens_and_rates_but_no_durations(opened: Open) -> None:
    task = Timed("decode", generation_tokens=8, batch_size=3)
    trial = completed(opened("itl=0.010,machine=ideal/0").run(task, Options(), 2))

    assert len(trial.stamps) == 8
    assert trial.tokens is not None
    assert len({token for row in trial.tokens for token in row}) == 24
    assert trial.native["decode_tps"] == pytest.approx(3 * 8 / 0.07)


def test_each_seed_generates_its_own_tokens(opened: Open) -> None:
    loaded = opened("itl=0.010")

    assert run(loaded, 1).tokens == run(loaded, 1).tokens
    assert run(loaded, 1).tokens != run(loaded, 2).tokens


def test_a_chat_reply_has_text_and_ends_by_itself_or_at_its_budget(opened: Open) -> None:
    loaded = opened("itl=0.010")
    whole = completed(loaded.run(CHAT, Options(), 0))
    short = completed(loaded.run(Generate(CHAT.messages, GREEDY, 3), Options(), 0))

    assert (whole.finish_reason, short.finish_reason) == ("stop", "length")
    assert whole.prompt_tokens == 4
    assert whole.text is not None and whole.text.endswith("reads no prompts.")
    assert len(whole.text.split()) == whole.generated_tokens == len(whole.stamps)
    assert short.text == "This reply comes"


def test_memory_is_what_the_description_says_and_there_is_no_checkpoint(opened: Open) -> None:
    location = "itl=0.010,memory=123456"
    arms = [Arm(target(location), DECODE)]

    assert engines.engine("sim").predict_memory(target(location), arms) == 123456
    assert run(opened(location)).peak_memory_bytes == 123456
    assert opened(location).checkpoint is None


def test_a_wrong_description_is_refused_before_a_machine_is_made() -> None:
    with pytest.raises(InputError, match="'0' is no itl"):
        engines.engine("sim").open(target("itl=0"))
    with pytest.raises(InputError, match="'0' is no itl"):
        engines.engine("sim").predict_memory(target("itl=0"), [])


def test_loading_takes_virtual_time(opened: Open) -> None:
    assert opened("itl=0.010,machine=quiet/1,load=30").clock() == 30.0
    assert opened("itl=0.010,machine=quiet/1").clock() == 32.0


def test_the_same_calls_give_the_same_trials_to_the_last_byte() -> None:
    arms = ["itl=0.010,machine=hostile/3,load_cv=0.01", "itl=0.011,machine=hostile/3,carry=0.2"]
    order = [0, 1, 1, 0, 0, 1]

    assert repr(whole_life(arms, order)) == repr(whole_life(arms, order))
    assert whole_life(arms, order) != whole_life(arms, [1, 0, 0, 1, 0, 1])


def test_a_trial_of_one_arm_moves_the_clock_of_the_others_on_its_machine(opened: Open) -> None:
    first, second = opened("itl=0.010,machine=typical/3"), opened("itl=0.010,machine=typical/3")
    before = second.clock()
    duration = run(first).duration_s

    assert second.clock() == first.clock() == pytest.approx(before + duration)


def test_noise_belongs_to_the_machine_and_hits_whichever_arm_runs() -> None:
    arms = ["itl=0.010,machine=hostile/3"] * 2

    assert whole_life(arms, [0, 1, 0, 1, 0, 0]) == whole_life(arms, [0, 1, 1, 0, 1, 1])


def test_warming_slows_whichever_arm_runs_later(opened: Open) -> None:
    first, second = opened("itl=0.010,machine=hostile/1"), opened("itl=0.010,machine=hostile/1")
    cold = [step_s(run(arm, seed)) for seed, arm in enumerate([first, second] * 5)]
    for seed in range(100):
        run(first, seed)
    warm = [step_s(run(arm, seed)) for seed, arm in enumerate([first, second] * 5)]

    assert sum(warm[::2]) > sum(cold[::2])
    assert sum(warm[1::2]) > sum(cold[1::2])  # although the second arm has hardly worked


def test_machines_of_other_names_go_on_as_if_they_were_alone(opened: Open) -> None:
    [alone] = whole_life(["itl=0.010,machine=typical/3"], [0])
    busy, idle = opened("itl=0.010,machine=typical/4"), opened("itl=0.010,machine=typical/3")
    run(busy)

    assert idle.clock() == 2.0
    assert run(idle) == alone


def test_a_machine_starts_anew_once_all_its_arms_are_closed(opened: Open) -> None:
    first, second = opened("itl=0.010,machine=typical/3"), opened("itl=0.010,machine=typical/3")
    run(first)
    first.close()
    first.close()  # which must not count as the other's leaving
    assert opened("itl=0.010,machine=typical/3,load=0").clock() == second.clock() > 4.0


def test_a_machine_that_everybody_left_is_forgotten() -> None:
    whole_life(["itl=0.010,machine=typical/3"] * 2, [0, 1])
    again = engines.engine("sim").open(target("itl=0.010,machine=typical/3"))

    assert again.clock() == 2.0
    again.close()


def test_a_load_keeps_its_factor_and_the_next_load_has_another(opened: Open) -> None:
    loads = [opened("itl=0.010,machine=ideal/1,load_cv=0.1") for _ in range(200)]
    logs = [[math.log(step_s(run(load)) / 0.010) for _ in range(2)] for load in loads]

    assert all(first == pytest.approx(second, abs=1e-9) for first, second in logs)
    assert len({round(first, 9) for first, _ in logs}) == 200
    spread = math.sqrt(sum(first**2 for first, _ in logs) / 200)
    assert spread == pytest.approx(0.1, abs=4 * 0.1 / math.sqrt(2 * 200))


def test_a_load_factor_slows_the_prefill_as_much_as_the_steps(opened: Open) -> None:
    trial = run(opened("itl=0.010,machine=ideal/1,load_cv=0.1"))

    assert trial.stamps[0] / 0.256 == pytest.approx(step_s(trial) / 0.010)


def test_sessions_that_start_from_other_seeds_meet_other_loads() -> None:
    def session(first_seed: int) -> float:
        loaded = engines.engine("sim").open(target("itl=0.010,machine=ideal/1,load_cv=0.1"))
        trial = completed(loaded.run(DECODE, Options(), first_seed))
        loaded.close()
        return step_s(trial)

    assert session(0) == session(0) != session(1)


def test_carry_over_leaks_the_latest_trials_excess_into_the_next(opened: Open) -> None:
    arm = opened("itl=0.010,machine=ideal/1,carry=0.5")
    slow = opened("itl=0.020,machine=ideal/1")

    assert step_s(run(arm)) == pytest.approx(0.010)  # nothing ran before
    run(slow)
    after_slow = run(arm)
    assert step_s(after_slow) == pytest.approx(0.010 * 2**0.5)
    assert after_slow.stamps[0] == pytest.approx(0.256 * 2**0.5)
    assert step_s(run(arm)) == pytest.approx(0.010 * 2**0.25)
    assert step_s(run(slow)) == pytest.approx(0.020)  # this arm has no carry-over


def test_trials_fail_as_often_as_asked_and_take_their_time(opened: Open) -> None:
    loaded = opened("itl=0.010,machine=ideal/1,fail=0.2")
    results = [loaded.run(DECODE, Options(), seed) for seed in range(1000)]
    failures = [trial for trial in results if isinstance(trial, Failed)]

    assert len(failures) == pytest.approx(200, abs=4 * math.sqrt(1000 * 0.2 * 0.8))
    assert {trial.reason for trial in failures} == {"engine_error"}
    assert failures[0].duration_s == pytest.approx(2.99)
    assert loaded.clock() == pytest.approx(2.0 + 1000 * 2.99)


def test_an_arm_crashes_at_the_trial_that_is_named_and_stays_so(opened: Open) -> None:
    loaded = opened("itl=0.010,crash_at=2")
    run(loaded), run(loaded)

    for index in (2, 3):
        with pytest.raises(MeasurementError, match=f"simulated engine crashed at trial {index};"):
            loaded.run(DECODE, Options(), 0)


def test_an_arm_may_end_its_reply_early(opened: Open) -> None:
    loaded = opened("itl=0.010,stop_at=10")
    trial = run(loaded)
    chat = completed(loaded.run(CHAT, Options(), 0))

    assert (trial.generated_tokens, len(trial.stamps), trial.finish_reason) == (10, 10, "stop")
    assert (chat.generated_tokens, chat.finish_reason) == (10, "stop")


def test_an_arm_that_would_end_later_than_asked_does_not_end_early(opened: Open) -> None:
    trial = run(opened("itl=0.010,stop_at=256"))

    assert (trial.generated_tokens, trial.finish_reason) == (256, "length")


@pytest.mark.parametrize("machine", ["ideal/3", "typical/3"])
def test_a_budget_counts_virtual_seconds_and_hardly_any_real_ones(
    opened: Open, machine: str
) -> None:
    loaded = opened(f"itl=0.100,machine={machine}")
    arm = Arm(target(f"itl=0.100,machine={machine}"), DECODE)
    progress = Progress(Plan(budget_s=300.0))
    began_virtual, began = loaded.clock(), time.perf_counter()
    records = list(trials(loaded, arm, progress))
    spent_virtual, spent = loaded.clock() - began_virtual, time.perf_counter() - began

    assert progress.spent_s == pytest.approx(spent_virtual)
    assert spent_virtual <= 300.0 < spent_virtual + 2 * progress.latest_s
    assert len(records) == len(progress.warm) + len(progress.measured) > 8
    assert len(progress.measured) < 8  # the budget ended it, not the interval
    assert spent < spent_virtual / 100


def test_the_simulated_engine_needs_no_mlx() -> None:
    code = (
        "import sys; from mlxbench import engines; engines.engine('sim'); "
        "print([name for name in sys.modules if name.split('.')[0] in ('mlx', 'mlx_lm')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
