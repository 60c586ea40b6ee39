"""The claims' table and document, exactly, from outcomes made by hand."""

from __future__ import annotations

from rich.console import Console

from mlxbench.claims import Judgement, pick
from mlxbench.records import Environment
from mlxbench.report.claims import Outcome, backend_note, document, report
from mlxbench.stats import Estimate

MAC = Environment(
    os="macOS",
    os_version="26.1 (25B78)",
    accelerator="Apple M3 Ultra",
    accelerator_backend="metal",
)
ROUTER, LAUNCH, EXPERTS = pick(["router-fusion", "launch-latency", "experts"])
EFFECT = Estimate(1.041, 1.032, 1.05, 12)
MEASURED = Outcome(
    ROUTER,
    Judgement("not supported", EFFECT, "speed with the fused router over stock", "It brings 4 %."),
    ("20261127-071803-528989",),
)
SHARE = Judgement("inconclusive", Estimate(0.31, 0.28, 0.35, 8), "share of a token's time", "So.")
OUTCOMES = (
    MEASURED,
    Outcome(
        *(LAUNCH, SHARE, ("20261127-071803-52898a",), ("20261127-071803-52898b",)),
        failure="blocks: it broke.",
    ),
    Outcome(EXPERTS, unfit="Does not apply: a dense model has no experts."),
)


def shown(environment: Environment, synthetic: bool = False) -> str:
    console = Console(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        for part in report(OUTCOMES, environment, ["qwen3-30b-a3b"], synthetic):
            console.print(part)
    return captured.get()


def test_the_table_has_the_notes_columns_and_one_of_what_was_measured_here() -> None:
    lines = shown(MAC).splitlines()
    assert lines[0].split() == [
        *("claim", "lab", "note", "source", "measured", "here", "effect,", "95", "%", "n")
    ]
    assert lines[2].split() == [
        "router-fusion",
        "4–5×",
        "false",
        "not",
        "supported",
        "×1.041",
        "12",
    ]
    assert "(1.032–1.050)" in lines[3]
    assert "31% (28%–35%)" in shown(MAC)
    assert "measured here: qwen3-30b-a3b on Apple M3 Ultra, metal, macOS 26.1 (25B78)" in shown(MAC)
    assert max(map(len, lines)) <= 80


def test_what_failed_beside_a_judgement_is_said() -> None:
    assert "launch-latency: So. blocks: it broke." in shown(MAC)
    assert "kept as 20261127-071803-52898a 20261127-071803-52898b" in shown(MAC)


def test_another_machine_than_the_notes_is_pointed_out() -> None:
    assert backend_note(MAC) is None
    other = Environment(accelerator="Apple M4 Max", accelerator_backend="metal")
    assert backend_note(other) == (
        "the lab note is about an M3 Ultra; this is an answer for Apple M4 Max"
    )
    assert "not for the lab note's M3 Ultra" in (
        backend_note(Environment(accelerator_backend="cpu")) or ""
    )
    assert "random weights" in shown(other, synthetic=True)


def test_the_document_has_the_contracts_keys() -> None:
    found = document(OUTCOMES, MAC, ["qwen3-30b-a3b"], synthetic=True)
    one = found["claims"][0]
    assert (one["name"], one["verdict"], one["n"]) == ("router-fusion", "not supported", 12)
    assert (one["effect"], one["interval"]) == (1.041, [1.032, 1.05])
    assert one["comparisons"] == ["20261127-071803-528989"]
    assert one["sentence"] == "It brings 4 %."
    absent = found["claims"][2]
    assert (absent["verdict"], absent["effect"], absent["interval"]) == (
        "does not apply",
        None,
        None,
    )
    assert found["synthetic"] is True
    assert found["claims"][1]["runs"] == ["20261127-071803-52898b"]
    assert found["machine"] == "Apple M3 Ultra, metal, macOS 26.1 (25B78)"
