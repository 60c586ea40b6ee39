"""What stands beside a comparison with a server: counts, bytes and what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlxbench.records import (
    Arm,
    Checkpoint,
    Comparison,
    Completed,
    Environment,
    Run,
    Target,
    Timed,
    Trial,
    TrialRecord,
)
from mlxbench.report import comparison
from mlxbench.report.comparison import Read
from mlxbench.report.fairness import Fairness
from mlxbench.store import Store
from tests.measure.compared_trials import one_session

UTC = "2026-11-23T04:15:22Z"
TASK = Timed("request", prompt_tokens=100, generation_tokens=5)
MLX = Arm(Target("mlx", "m", "dir"), TASK)
OLLAMA = Arm(Target("ollama", "m:4b", "http://127.0.0.1:1", source="server", tokenizer="dir"), TASK)
MLX_FORMAT = Checkpoint(
    "m",
    "hub",
    "dir",
    bits_per_weight=4.5,
    quantization={"": {"bits": 4, "group_size": 64}},
    params_active=8_000_000,
    kv_bytes_per_token=1000,
)
OLLAMA_FORMAT = Checkpoint(
    "m:4b",
    "server",
    "",
    bits_per_weight=5.0,
    quantization={"": "Q4_1"},
    kv_bytes_per_token=2000,
    serving={
        "program": "Ollama",
        "counting": "Ollama divides N tokens by N-1 forwards",
        "steps_counted": "N-1",
    },
)
M3_ULTRA = Environment(accelerator="Apple M3 Ultra", accelerator_cores=80)


def said(text: str, pace_s: float = 0.1) -> Completed:
    """A request of 5 tokens that says `text`: 10 tok/s by our rule, 12.5 by the native one."""
    stamps = tuple(1 + i * pace_s for i in range(5))
    native = {"decode_tps": 5 / (4 * pace_s), "prefill_tps": 100.0}
    return Completed("server", stamps, 1.5, 100, 5, 1, "length", text=text, native=native)


def reading(
    tmp_path: Path,
    trials: Sequence[Sequence[Trial]],
    arms: Sequence[Arm] = (MLX, OLLAMA),
    metric: str = "decode",
) -> Read:
    """A hand-made comparison, kept and read back."""
    session, runs = one_session(trials)
    made = Comparison(
        "c", UTC, "mlxbench ab", metric, tuple(arms), 0, 60.0, status="done", sessions=(session,)  # type: ignore[arg-type]
    )  # fmt: skip
    with Store.open(tmp_path / "results.sqlite") as store:
        for arm, (run_id, of_arm) in zip(arms, runs.items(), strict=True):
            format_ = MLX_FORMAT if arm.target.engine == "mlx" else OLLAMA_FORMAT
            records = tuple(TrialRecord(i, "measured", UTC, t) for i, t in enumerate(of_arm))
            run = Run(run_id, UTC, "", arm, "comparison", M3_ULTRA, format_, trials=records)
            store.add_run(run)
        store.add_comparison(made)
        return comparison.read(store, "c")


def found(read: Read) -> Fairness:
    assert read.fairness is not None
    return read.fairness


def shown(read: Read) -> str:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as capture:
        for part in comparison.report(read):
            console.print(part)
    return capture.get()


def test_native_and_common_rates_stand_side_by_side_and_differ_by_the_rule(tmp_path: Path) -> None:
    read = reading(tmp_path, [[said("a")] * 4, [said("a")] * 4])
    for side in found(read).sides:
        assert side.common_tps is not None
        assert side.native_tps is not None
        # 5 tokens over 4 intervals of 0.1 s.
        assert side.common_tps.value == pytest.approx(10.0)
        assert side.native_tps.value / side.common_tps.value == pytest.approx(5 / 4)
        assert side.theory == pytest.approx(5 / 4)
    assert "B, native: Ollama divides N tokens by N-1 forwards" in shown(read)
    assert "1.250" in shown(read)


def test_bytes_per_token_and_bandwidth_follow_from_each_sides_own_format(tmp_path: Path) -> None:
    mlx, ollama = found(reading(tmp_path, [[said("a")] * 4, [said("a")] * 4])).sides
    # 8 M weights · 4.5 bits / 8 + 1000 bytes · (100 + 5/2) tokens of context
    assert mlx.bytes_per_token == pytest.approx(8e6 * 4.5 / 8 + 1000 * 102.5)
    # The server does not say how many weights a token uses: the other side of the model does.
    assert ollama.bytes_per_token == pytest.approx(8e6 * 5 / 8 + 2000 * 102.5)
    assert mlx.bytes_per_s == pytest.approx(10 * (4.5e6 + 102_500))
    assert mlx.share == pytest.approx(10 * (4.5e6 + 102_500) / 819e9)
    assert (mlx.format, ollama.format) == ("MLX 4-bit/64", "Q4_1")


def test_equal_replies_are_said_to_be_equal(tmp_path: Path) -> None:
    read = reading(tmp_path, [[said("the same")] * 4, [said("the same")] * 4])
    (one,) = found(read).agreements
    assert (one.pairs, one.identical, one.median_share, one.example) == (4, 4, 1.0, None)
    assert "greedy replies of A and B are the same in all 4 pairs" in shown(read)


def test_the_first_difference_is_shown_with_what_each_side_said(tmp_path: Path) -> None:
    ours = [said("one two three"), said("same"), said("abcd"), said("same")]
    theirs = [said("one two four"), said("same"), said("abxy"), said("same")]
    (one,) = found(reading(tmp_path, [ours, theirs])).agreements
    assert (one.pairs, one.identical) == (4, 2)
    assert one.example == ("one two ", "three", "four")
    assert one.median_share == pytest.approx((9 / 12 + 1) / 2, abs=0.05)


def test_replies_to_different_prompts_are_not_compared(tmp_path: Path) -> None:
    other = replace(OLLAMA, target=replace(OLLAMA.target, location="http://127.0.0.1:2"))
    trials = [[said("x")] * 4, [said("y")] * 4]
    assert found(reading(tmp_path, trials, (OLLAMA, other))).agreements == ()


def test_control_characters_of_a_reply_do_not_reach_the_terminal(tmp_path: Path) -> None:
    trials = [[said("a\x1b[31mb")] * 4, [said("a\x1b[2Jc")] * 4]
    assert "\x1b" not in shown(reading(tmp_path, trials))


def test_without_a_server_nothing_stands_beside(tmp_path: Path) -> None:
    read = reading(tmp_path, [[said("x")] * 4, [said("y")] * 4], (MLX, MLX))
    assert read.fairness is None
    assert "sides" not in comparison.document(read)["comparison"]


def test_scripts_get_all_of_it(tmp_path: Path) -> None:
    document = comparison.document(reading(tmp_path, [[said("a")] * 4, [said("b")] * 4]))
    made = json.loads(json.dumps(document, allow_nan=False))["comparison"]
    assert made["sides"][1]["native_tps"]["value"] == pytest.approx(12.5)
    assert made["sides"][1]["bandwidth_share"] > 0
    assert made["greedy_agreement"][0]["identical"] == 0


def lasting(total_s: float, tokens: int) -> Completed:
    stamps = (total_s - 0.1 * (tokens - 1), total_s)
    return Completed("server", stamps, total_s, 100, tokens, 1, "length")


def test_two_lengths_give_the_decode_rate_without_the_first_stamp(tmp_path: Path) -> None:
    half = replace(OLLAMA, task=replace(TASK, generation_tokens=3))
    whole_s = [2.40, 2.42, 2.38, 2.40]
    trials = [[lasting(s, 5) for s in whole_s], [lasting(2.0, 3)] * 4]
    read = reading(tmp_path, trials, (OLLAMA, half))
    assert read.differencing is not None
    # (5 - 3) tokens in a mean of 0.4 s, though the stamps say 10 tok/s.
    assert read.differencing.tps.value == pytest.approx(5.0)
    assert read.differencing.tps.n == 4
    assert read.differencing.stamped_tps.value == pytest.approx(10.0)
    assert read.differencing.word == "disagrees"
    assert "check by differencing 5 and 3 tokens: 5 tok/s [" in shown(read)
    assert "DISAGREE" in shown(read)


def test_arms_that_differ_in_more_than_length_are_not_differenced(tmp_path: Path) -> None:
    half = replace(MLX, task=replace(TASK, generation_tokens=3))
    read = reading(tmp_path, [[lasting(2.4, 5)] * 4, [lasting(2.0, 3)] * 4], (OLLAMA, half))
    assert read.differencing is None
