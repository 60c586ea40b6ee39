"""What people and scripts read of a comparison."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from mlxbench.measure.comparing import Design, compare
from mlxbench.records import (
    Arm,
    ComparedSession,
    Comparison,
    Environment,
    Notice,
    Run,
    Target,
    Timed,
    Trial,
    TrialRecord,
)
from mlxbench.report import comparison
from mlxbench.report.comparison import Read
from mlxbench.store import Store
from tests.measure.compared_trials import FAILED, compared, decoded, one_session, paced
from tests.measure.comparing_sim import sim

NOISE = (0.004, 0.003, -0.004, -0.003, 0.001, 0.002, -0.001, -0.002)
STEADY = paced(0.1, [0.0] * 8)
FASTER, SLOWER = paced(0.095, NOISE), paced(0.105, NOISE)
WILD = paced(0.1, [20 * wobble for wobble in NOISE])
UTC = "2026-11-23T04:15:22Z"

Reader = Callable[[Comparison, dict[str, Sequence[Trial]]], Read]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "results.sqlite") as made:
        yield made


@pytest.fixture
def reading(store: Store) -> Reader:
    """Keeps a hand-made comparison with its trials, and reads it back."""

    def read(made: Comparison, runs: dict[str, Sequence[Trial]]) -> Read:
        for run_id, trials in runs.items():
            store.add_run(a_run(run_id, made.arms[0], trials))
        store.add_comparison(made)
        return comparison.read(store, made.comparison_id)

    return read


def a_run(run_id: str, arm: Arm, trials: Sequence[Trial]) -> Run:
    records = [TrialRecord(i, "measured", UTC, trial) for i, trial in enumerate(trials)]
    environment = Environment()
    return Run(run_id, UTC, "mlxbench", arm, "comparison", environment, trials=tuple(records))


def two(
    trials: Sequence[Sequence[Trial]], null: bool = False
) -> tuple[Comparison, dict[str, Sequence[Trial]]]:
    session, runs = one_session(trials)
    return compared([session], len(trials), null=null), runs


def shown(found: Read, width: int = 80) -> str:
    """What a terminal shows."""
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as capture:
        for part in comparison.report(found):
            console.print(part)
    return capture.get()


def plain(text: str) -> str:
    """Without line breaks."""
    return " ".join(text.split())


def test_the_document_has_what_scripts_rely_on(reading: Reader) -> None:
    found = comparison.document(reading(*two([STEADY, FASTER])))
    inner = found["comparison"]
    assert {"arms", "metric", "ratio", "verdict", "mde", "pairs", "sessions", "null"} < set(inner)
    assert set(inner["ratio"]) == {"value", "low", "high"}
    assert inner["ratio"]["low"] < 1 / 0.95 < inner["ratio"]["high"]
    assert inner["verdict"] == "faster"
    assert inner["metric"] == "decode"
    assert 0 < inner["mde"] < 0.05
    assert inner["pairs"] == 8
    assert [len(session["rounds"]) for session in inner["sessions"]] == [8]
    assert inner["null"] is None
    assert inner["warnings"] == []
    assert [arm["label"] for arm in inner["arms"]] == ["A", "B"]
    assert inner["arms"][0]["tps"]["n"] == 8
    json.dumps(found, allow_nan=False)


def test_the_document_without_a_verdict_has_the_same_keys(reading: Reader) -> None:
    empty = compared([ComparedSession(failure="the worker process was ended by SIGKILL")])
    inner = comparison.document(reading(empty, {}))["comparison"]
    assert (inner["ratio"], inner["verdict"], inner["mde"], inner["pairs"]) == (None, None, None, 0)
    assert inner["sessions"][0]["failure"] == "the worker process was ended by SIGKILL"
    assert [arm["tps"] for arm in inner["arms"]] == [None, None]


def test_the_null_arm_is_a_finding_of_its_own(reading: Reader) -> None:
    inner = comparison.document(reading(*two([STEADY, FASTER, paced(0.1, NOISE)], null=True)))
    null = inner["comparison"]["null"]
    assert (null["verdict"], null["label"]) == ("equivalent", "A again")
    assert null["ratio"]["low"] < 1 < null["ratio"]["high"]
    assert inner["comparison"]["verdict"] == "faster"


def test_the_headline_of_several_arms_is_the_confirmed_winner(reading: Reader) -> None:
    session, runs = one_session([STEADY, FASTER, paced(0.09, NOISE)])
    fresh, fresh_runs = one_session([STEADY, paced(0.092, NOISE)], prefix="fresh")
    made = replace(compared([session], 3), confirmed_arm=2, confirmation=fresh)
    found = reading(made, runs | fresh_runs)
    inner = comparison.document(found)["comparison"]
    assert inner["ratio"]["value"] == pytest.approx(1 / 0.92, rel=1e-3)
    assert len(inner["findings"]) == 2
    assert inner["confirmation"]["arm"] == 2
    assert "confirmed on fresh pairs: C is 8.7% faster than A" in shown(found)


def test_several_arms_without_a_winner_have_no_headline(reading: Reader) -> None:
    inner = comparison.document(reading(*two([STEADY, SLOWER, SLOWER])))["comparison"]
    assert (inner["ratio"], inner["verdict"]) == (None, None)
    assert [finding["verdict"] for finding in inner["findings"]] == ["slower", "slower"]


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        (FASTER, r"B is 5\.3% faster than A \(95 %: \+\d\.\d% to \+\d\.\d%; 8 pairs\)$"),
        (SLOWER, r"B is 4\.8% slower than A \(95 %: -\d\.\d% to -\d\.\d%; 8 pairs\)$"),
        (paced(0.0995, NOISE), r"B is 0\.5% faster .*8 pairs\), too little to matter to most$"),
        (paced(0.1, NOISE), r"B and A are equally fast within 1 % \(95 %: .*; 8 pairs\)$"),
        (WILD, r"no difference shown \(95 %: .*; 8 pairs\); one of .*% would have been found 4 t"),
        ([FAILED] * 8, r"^B against A: too few usable pairs for a verdict$"),
    ],
)
def test_each_verdict_is_a_sentence_with_interval_and_pairs(
    reading: Reader, b: Sequence[Trial], expected: str
) -> None:
    found = reading(*two([STEADY, b]))
    (finding,) = found.findings
    assert re.search(expected, comparison.sentence(found.comparison, finding))
    assert comparison.sentence(found.comparison, finding) in plain(shown(found))


def test_a_claim_that_fell_to_holm_says_why_its_interval_excludes_no_difference(
    reading: Reader,
) -> None:
    """One of two claims at p = 0.04 each; 0.9971 of 0.1 s gives about that."""
    weak = paced(0.1 * 0.9971, NOISE)
    found = reading(*two([STEADY, weak, weak]))
    assert [f.verdict.word for f in found.findings if f.verdict] == ["inconclusive"] * 2
    text = comparison.sentence(found.comparison, found.findings[0])
    assert "no difference shown among this many arms (adjusted p = 0." in text
    assert "95 %: +0.0%" in text


def test_several_sessions_are_counted_in_the_sentence(reading: Reader) -> None:
    samples = [one_session([STEADY, FASTER], prefix=f"s{k}") for k in range(3)]
    runs = {run_id: trials for _, own in samples for run_id, trials in own.items()}
    found = reading(compared([session for session, _ in samples]), runs)
    assert "24 pairs in 3 sessions" in plain(shown(found))
    assert "3 sessions" in plain(shown(found))


def test_reading_twice_gives_the_same_bytes(store: Store) -> None:
    arms = [sim(f"itl={itl},machine=typical/3") for itl in (0.010, 0.0097, 0.0101)]
    compared_id = compare(arms, Design("decode", pairs=6, null=True), store, lambda _: None)
    first, second = (comparison.read(store, compared_id) for _ in range(2))
    assert json.dumps(comparison.document(first)) == json.dumps(comparison.document(second))
    assert shown(first).encode() == shown(second).encode()


def test_a_reopened_store_gives_the_same_bytes(tmp_path: Path) -> None:
    arms = [sim("itl=0.010,machine=hostile/3"), sim("itl=0.0102,machine=hostile/3")]
    documents = []
    with Store.open(tmp_path / "x.sqlite") as store:
        compared_id = compare(arms, Design("decode", pairs=8), store, lambda _: None)
        documents.append(comparison.document(comparison.read(store, compared_id)))
    with Store.open(tmp_path / "x.sqlite", create=False) as store:
        documents.append(comparison.document(comparison.read(store, compared_id)))
    assert json.dumps(documents[0]) == json.dumps(documents[1])


def everything(reading: Reader) -> Read:
    """A comparison about which there is much to say."""
    drifting = [decoded(0.1 * 1.02**i) for i in range(12)]
    failing = [*paced(0.1, NOISE), decoded(0.4), FAILED, *STEADY[:2]]
    third = [*paced(0.09, NOISE), *STEADY[:4]]
    session, runs = one_session([drifting, failing, third, drifting])
    broken = ComparedSession(failure="the worker process was ended by SIGKILL")
    made = replace(
        compared([session, broken], 4, null=True),
        alternating=True,
        notices=(Notice("small-budget", "the budget is too small", "raise --budget"),),
    )
    return reading(made, runs)


def test_every_rate_and_percentage_has_its_interval_and_n(reading: Reader) -> None:
    for found in (reading(*two([STEADY, FASTER])), drifting_only(reading)):
        lines = [plain(text) for text in sentences(found) if "%" in text]
        assert lines
        for line in lines:
            assert re.search(r"95 %: [-+]\d+\.\d% to [-+]\d+\.\d%; \d+ (pairs|trials)", line), line
        for row in shown(found).splitlines():
            if ", tg5" in row:
                assert re.search(r"\d+(\.\d+)? +\d+(\.\d+)?–\d+(\.\d+)? +8$", row.rstrip()), row


def sentences(found: Read) -> list[str]:
    made = [comparison.sentence(found.comparison, finding) for finding in found.findings]
    return made + [notice.message for notice in found.notices]


def drifting_only(reading: Reader) -> Read:
    session, runs = one_session(
        [[decoded(0.1 * 1.01**i) for i in range(8)], paced(0.1, NOISE)], prefix="drift"
    )
    made = replace(compared([session]), comparison_id="20261123-041522-0002")
    found = reading(made, runs)
    assert [notice.code for notice in found.notices] == ["drift"]
    return found


@pytest.mark.parametrize("width", [40, 80])
def test_a_report_is_never_wider_than_the_terminal(reading: Reader, width: int) -> None:
    text = shown(everything(reading), width)
    assert max(map(len, text.splitlines())) <= width
    for expected in (
        "noise floor: A again",
        "a session failed: the worker process was ended by SIGKILL",
        "do not fit into memory together and took turns",
        "warning: the budget is too small; raise --budget",
        "some trials failed (1)",
    ):
        assert expected in plain(text)


def test_outliers_and_failures_are_warned_of_with_their_number(reading: Reader) -> None:
    codes = [notice.code for notice in everything(reading).notices]
    assert codes == ["small-budget", "drift", "outliers", "failed-trials"]


def test_an_order_effect_is_warned_of(reading: Reader) -> None:
    rounds = tuple((0, 1) if i % 2 == 0 else (1, 0) for i in range(8))
    a = paced(0.1, [0.0 if order[0] == 0 else 0.05 + NOISE[i] for i, order in enumerate(rounds)])
    b = paced(0.1, [0.0 if order[0] == 1 else 0.05 - NOISE[i] for i, order in enumerate(rounds)])
    session, runs = one_session([a, b], rounds=rounds)
    found = reading(compared([session]), runs)
    assert "order-effect" in [notice.code for notice in found.notices]
    assert found.findings[0].verdict is not None
    assert found.findings[0].verdict.word != "faster"


HOSTILE = "\x1b[31mred\u202eevil\x07[/bold]\n" + "名" * 60


def test_a_foreign_model_name_is_harmless(reading: Reader) -> None:
    session, runs = one_session([STEADY, FASTER])
    arm = Arm(Target("mlx", HOSTILE, "x", synthetic=True, python=HOSTILE), Timed("decode", 16, 5))
    bad = replace(compared([session]), arms=(arm, arm), notices=(Notice("x", HOSTILE, HOSTILE),))
    broken = ComparedSession(failure=HOSTILE)
    found = reading(replace(bad, sessions=(session, broken)), runs)
    text = shown(found)
    for character in ("\x1b", "\u202e", "\x07"):
        assert character not in text
    assert "[/bold]" in plain(text)
    assert max(map(cell_len, text.splitlines())) <= 80
    json.dumps(comparison.document(found), allow_nan=False)


def test_a_list_of_comparisons_fits_the_terminal(reading: Reader) -> None:
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        console.print(comparison.list_table([everything(reading), drifting_only(reading)]))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    assert "20261123-041522-0002" in text
