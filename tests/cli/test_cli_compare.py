"""`mlxbench compare` as people and scripts use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxbench.records import SCHEMA_VERSION
from mlxbench.store import Store
from tests.cli.invoke import Outcome

Invoke = Callable[..., Outcome]

A = "sim:itl=0.010,machine=quiet/3"
SAME = "sim:itl=0.010,load=3,machine=quiet/3"
FASTER = "sim:itl=0.0095,machine=quiet/3"
QUICK = ("-p", "8", "-g", "4", "--pairs", "4")


def document(outcome: Outcome, code: int = 0) -> dict[str, Any]:
    assert outcome.code == code, outcome.err
    loaded = json.loads(outcome.out)
    assert isinstance(loaded, dict)
    return loaded


def one_line(outcome: Outcome, code: int) -> str:
    """The error that a command ended with."""
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    (error,) = [line for line in outcome.err.splitlines() if not line.startswith("loading ")]
    assert error.startswith("error: ")
    return error


@pytest.mark.parametrize(
    ("arm", "reason"),
    [
        ("", "'' is no arm"),
        ("tiny-dense", "is no arm; write ENGINE:MODEL"),
        (":tiny-dense", "is no arm"),
        ("mlx:", "is no arm"),
        ("sim:", "is no arm"),
        ("gpt:x", "no engine named 'gpt'"),
        ("MLX:tiny-dense", "no engine named 'MLX'"),
        ("mlx:,kv_bits=8", "the model name is empty"),
        ("mlx:no-such-model", "no-such-model"),
        ("mlx:tiny-dense,kv_bits", "'kv_bits' in 'mlx:tiny-dense,kv_bits' is no key=value"),
        ("mlx:tiny-dense,kv_bits=", "is no key=value"),
        ("mlx:tiny-dense,=8", "is no key=value"),
        ("mlx:tiny-dense,", "is no key=value"),
        ("mlx:tiny-dense,kv_bits=3", "kv_bits=3 in 'mlx:tiny-dense,kv_bits=3'; give one of 4, 8"),
        ("mlx:tiny-dense,kv_bits=8,kv_bits=4", "'kv_bits' stands twice"),
        ("mlx:tiny-dense,itl=0.01", "no key 'itl' in the arm"),
        ("mlx:tiny-dense,color=red", "no key 'color' in the arm"),
        ("mlx:tiny-dense,depth=-1", "depth=-1"),
        ("mlx:tiny-dense,depth=1e3", "give a whole number from 1 to 10,000,000"),
        ("mlx:tiny-dense,batch_size=0", "batch_size=0"),
        ("mlx:tiny-dense,prompt_tokens=٣", "prompt_tokens=٣"),
        ("mlx:tiny-dense,prompt_tokens=0012345678901", "give a whole number"),
        ("mlx:tiny-dense,generation_tokens=1", "a single token has no gap to time"),
        ("mlx:tiny-dense,mode=fast", "give one of pipelined, stepped"),
        ("mlx:tiny-dense,synthetic=maybe", "give yes or no"),
        ("mlx:tiny-dense,layers=0", "layers=0"),
        ("sim:0.01", "is no key=value"),
        ("sim:itl=0", "'0' is no itl; write itl= and a number of seconds"),
        ("sim:itl=nan", "'nan' is no itl"),
        ("sim:machine=quiet/1", "has no itl"),
        ("sim:itl=0.01,machine=calm/1", "'calm/1' is no machine"),
        ("sim:itl=0.01,synthetic=yes", "no key 'synthetic' in the arm"),
        ("sim:itl=0.01,memory=999999999999999", "GiB are usable"),
    ],
)
def test_a_bad_arm_is_one_line(mlxbench: Invoke, arm: str, reason: str) -> None:
    for arms in ((arm, A), (A, arm)):
        assert reason in one_line(mlxbench("compare", *arms, *QUICK), 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((A,), "a comparison needs two arms or more"),
        ((A, A, "--force"), "--force goes with --stored"),
        ((A, A, "--pairs", "3"), "3"),
        ((A, A, "--sessions", "0"), "0"),
        ((A, A, "--budget", "0"), "0"),
        ((A, A, "-g", "1"), "1"),
        ((A, A, "--varies", "model"), "model"),
        ((A, A, "--metric", "speed"), "speed"),
    ],
)
def test_a_bad_option_is_one_line(
    mlxbench: Invoke, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in one_line(mlxbench("compare", *arguments), 2)


@pytest.mark.parametrize(
    ("field", "value", "baseline"),
    [
        ("prompt_tokens", "64", "512"),
        ("generation_tokens", "64", "128"),
        ("depth", "64", "0"),
        ("batch_size", "4", "1"),
        ("mode", "stepped", "pipelined"),
    ],
)
def test_an_undeclared_difference_is_refused_by_name(
    mlxbench: Invoke, field: str, value: str, baseline: str
) -> None:
    arms = (A, f"{A},{field}={value}")
    error = one_line(mlxbench("compare", *arms), 2)
    assert f"the arms differ in {field}: {baseline} and {value}" in error
    assert f"--varies {field}" in error
    declared = mlxbench("compare", *arms, "--varies", field, "--pairs", "4", "--json")
    assert document(declared)["comparison"]["verdict"] is not None


def test_options_of_the_engine_are_what_one_compares(mlxbench: Invoke) -> None:
    arms = (A, f"{A},kv_bits=8,prefill_step_size=512")
    found = document(mlxbench("compare", *arms, *QUICK, "--json"))["comparison"]
    assert [arm["options"]["kv_bits"] for arm in found["arms"]] == [None, 8]
    assert [arm["options"]["prefill_step_size"] for arm in found["arms"]] == [2048, 512]


def test_the_document_for_scripts(mlxbench: Invoke) -> None:
    found = document(mlxbench("compare", A, FASTER, "--pairs", "12", "--seed", "4", "--json"))
    inner = found["comparison"]
    assert found["schema_version"] == SCHEMA_VERSION
    assert inner["verdict"] == "faster"
    assert inner["ratio"]["low"] < 1 / 0.95 < inner["ratio"]["high"]
    assert inner["seed"] == 4
    assert inner["status"] == "done"
    assert inner["pairs"] in (4, 6, 8, 12)
    again = document(mlxbench("results", "show", inner["id"], "--json"))
    assert again == found


def test_a_person_sees_80_columns_with_verdict_interval_and_pairs(mlxbench: Invoke) -> None:
    outcome = mlxbench("compare", A, FASTER, "--pairs", "12", "--null")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    text = " ".join(outcome.out.split())
    for expected in ("B is 5.", "faster than A (95 %: ", "pairs)", "noise floor: A again", "kept"):
        assert expected in text
    identifier = text.rpartition("kept as ")[2].split()[0]
    shown = mlxbench("results", "show", identifier)
    assert " ".join(shown.out.split()) == text


def test_a_comparison_is_in_the_list_of_results(mlxbench: Invoke) -> None:
    mlxbench("compare", A, FASTER, "--pairs", "12")
    listed = mlxbench("results", "list")
    assert listed.code == 0
    assert "faster than A" in " ".join(listed.out.split())


def test_sessions_and_their_worker_processes(mlxbench: Invoke) -> None:
    outcome = mlxbench("compare", A, FASTER, *QUICK, "--sessions", "2", "--json")
    sessions = document(outcome)["comparison"]["sessions"]
    assert [len(session["rounds"]) for session in sessions] == [4, 4]
    assert outcome.err.count("loading") == 4


def test_a_budget_counts_virtual_seconds(mlxbench: Invoke) -> None:
    found = document(mlxbench("compare", A, A, "--budget", "30", "-g", "20", "--json"))
    (session,) = found["comparison"]["sessions"]
    seconds_a_pair = 2 * (512 * 0.0005 + 19 * 0.010 + 0.184)
    assert session["planned"] == pytest.approx(30 / seconds_a_pair, rel=0.2)


def test_without_a_verdict_the_exit_code_is_1_and_the_reason_is_told(mlxbench: Invoke) -> None:
    outcome = mlxbench("compare", A, "sim:itl=0.01,crash_at=3,machine=quiet/3")
    assert outcome.code == 1
    text = " ".join(outcome.out.split())
    assert "B against A: too few usable pairs for a verdict" in text
    assert "a session failed: the simulated engine crashed at trial 3" in text


def test_one_of_three_arms_that_always_fails_is_told(mlxbench: Invoke) -> None:
    outcome = mlxbench("compare", A, FASTER, "sim:itl=0.01,fail=1,machine=quiet/3", "--json")
    inner = document(outcome, code=1)["comparison"]
    assert inner["status"] == "failed"
    assert "fail=1" in inner["sessions"][0]["failure"]


def test_a_model_that_stops_at_its_first_token_has_no_verdict(mlxbench: Invoke) -> None:
    arm = "sim:itl=0.01,stop_at=1"
    found = document(mlxbench("compare", arm, arm, "--pairs", "4", "--json"), code=1)
    assert found["comparison"]["verdict"] is None
    assert document(mlxbench("results", "show", found["comparison"]["id"], "--json")) == found
    assert document(mlxbench("compare", arm, arm, *QUICK, "--metric", "ttft", "--json"))


def test_a_plan_tells_how_long_to_measure(mlxbench: Invoke) -> None:
    plan = document(mlxbench("compare", A, SAME, "--plan", "--json"))["plan"]
    pairs = [row["pairs"] for row in plan["for"]]
    assert pairs == sorted(pairs, reverse=True)
    assert all(count % 2 == 0 and count >= 4 for count in pairs)
    assert plan["spread"] > 0
    person = mlxbench("compare", A, SAME, "--plan")
    assert f"to find 1.0% 4 times in 5: {pairs[1]} pairs, --budget" in person.out


def test_a_plan_whose_pilot_fails_says_so(mlxbench: Invoke) -> None:
    error = one_line(mlxbench("compare", "sim:itl=0.01,fail=1", A, "--plan"), 1)
    assert "the pilot failed (sim:itl=0.01,fail=1 failed: a simulated failure)" in error


class TestStored:
    """Two runs that were measured apart."""

    @pytest.fixture
    def runs(self, mlxbench: Invoke) -> tuple[str, str]:
        """The two runs of a comparison, read as if they had been measured apart."""
        found = document(mlxbench("compare", A, FASTER, "--pairs", "12", "--json"))
        a, b = found["comparison"]["sessions"][0]["run_ids"]
        return a, b

    def test_alike_runs_have_a_verdict_that_says_it_is_weaker(
        self, mlxbench: Invoke, runs: tuple[str, str]
    ) -> None:
        inner = document(mlxbench("compare", "--stored", *runs, "--json"))["comparison"]
        assert inner["verdict"] == "faster"
        assert inner["ratio"]["low"] < 1 / 0.95 < inner["ratio"]["high"]
        assert (inner["pairs"], inner["null"]) == (0, None)
        assert [warning["code"] for warning in inner["warnings"]] == ["unpaired"]
        person = mlxbench("compare", "--stored", *runs)
        assert "measured apart" in person.out
        assert "faster" in person.out
        assert max(map(len, person.out.splitlines())) <= 80

    def test_one_run_or_three_are_refused(self, mlxbench: Invoke, runs: tuple[str, str]) -> None:
        for ids in (runs[:1], (*runs, runs[0])):
            error = one_line(mlxbench("compare", "--stored", *ids), 2)
            assert f"--stored takes two runs, not {len(ids)}" in error

    def test_a_run_that_is_not_there_is_refused(self, mlxbench: Invoke) -> None:
        assert "no run 'nope'" in one_line(mlxbench("compare", "--stored", "nope", "nope"), 2)

    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            (("-d", "16"), "depth: 0 and 16"),
            (("-b", "2"), "batch_size: 1 and 2"),
            (("-g", "20"), "generation_tokens: 128 and 20"),
            (("--mode", "stepped"), "mode: pipelined and stepped"),
            (("--metric", "ttft"), "kind: decode and prefill"),
        ],
    )
    def test_different_tasks_are_refused_by_name_even_with_force(
        self, mlxbench: Invoke, runs: tuple[str, str], arguments: tuple[str, ...], name: str
    ) -> None:
        made = document(mlxbench("compare", A, A, "--pairs", "4", *arguments, "--json"))
        other = made["comparison"]["sessions"][0]["run_ids"][0]
        error = one_line(mlxbench("compare", "--stored", runs[0], other, "--force"), 2)
        assert f"differ in {name}" in error

    def test_a_metric_that_the_runs_did_not_measure_is_refused(
        self, mlxbench: Invoke, runs: tuple[str, str]
    ) -> None:
        error = one_line(mlxbench("compare", "--stored", *runs, "--metric", "prefill"), 2)
        assert "measured decode, which says nothing of prefill" in error
        made = document(mlxbench("compare", A, A, *QUICK, "--metric", "ttft", "--json"))
        prefills = made["comparison"]["sessions"][0]["run_ids"]
        error = one_line(mlxbench("compare", "--stored", *prefills), 2)
        assert "measured prefill, which says nothing of decode" in error
        assert document(mlxbench("compare", "--stored", *prefills, "--metric", "ttft", "--json"))

    def test_another_machine_or_version_needs_force(
        self, mlxbench: Invoke, runs: tuple[str, str], shared_home: Path
    ) -> None:
        with Store.open(shared_home / "results.sqlite") as store:
            run = store.run(runs[1])
            for number, changes in enumerate(({"cpu": "M9"}, {"versions": {"mlx": "0.99"}})):
                environment = replace(run.environment, **changes)  # type: ignore[arg-type]
                run_id = f"{run.run_id}-{number}"
                if run_id not in {known.run_id for known in store.runs()}:
                    store.add_run(replace(run, run_id=run_id, environment=environment))
        for number, name in enumerate(("cpu: None and M9", "mlx: None and 0.99")):
            ids = (runs[0], f"{runs[1]}-{number}")
            error = one_line(mlxbench("compare", "--stored", *ids), 2)
            assert f"differ in {name}" in error
            assert "--force" in error
            assert mlxbench("compare", "--stored", *ids, "--force").code == 0

    def test_too_few_trials_are_refused(self, mlxbench: Invoke) -> None:
        arguments = ("decode", "--model", "tiny-dense", "-p", "8", "-g", "4", "--warmup", "0")
        made = document(mlxbench(*arguments, "-r", "2", "--json"))["results"]
        identifier = made[0]["run_id"]
        error = one_line(mlxbench("compare", "--stored", identifier, identifier), 2)
        assert "have 2 and 2 usable trials" in error


def test_a_real_model_against_itself(mlxbench: Invoke) -> None:
    outcome = mlxbench(
        *("compare", "mlx:tiny-dense", "mlx:tiny-dense", *QUICK, "--seed", "2147483647", "--json")
    )
    inner = document(outcome)["comparison"]
    assert inner["pairs"] == 4
    assert inner["arms"][0]["target"]["synthetic"] is True
    assert inner["ratio"]["low"] < inner["ratio"]["high"]
    assert outcome.err.count("loading tiny-dense") == 1


def test_a_real_model_with_another_cache(mlxbench: Invoke) -> None:
    outcome = mlxbench("compare", "mlx:tiny-dense", "mlx:tiny-dense,kv_bits=8", *QUICK)
    assert outcome.code == 0
    assert "KV 8 bit" in outcome.out
    assert outcome.err.count("loading tiny-dense") == 1


def test_a_real_model_under_another_interpreter(mlxbench: Invoke) -> None:
    arms = ("mlx:tiny-dense", f"mlx:tiny-dense,python={sys.executable}")
    inner = document(mlxbench("compare", *arms, *QUICK, "--json"))["comparison"]
    assert inner["verdict"] is not None
    assert inner["sessions"][0]["failure"] is None


def test_an_interpreter_that_is_none_is_one_line(mlxbench: Invoke, tmp_path: Path) -> None:
    arms = ("mlx:tiny-dense", f"mlx:tiny-dense,python={tmp_path}/nowhere")
    error = one_line(mlxbench("compare", *arms, *QUICK), 2)
    assert "cannot start" in error
