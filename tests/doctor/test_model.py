from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxbench import registry
from mlxbench.doctor.finding import Finding
from mlxbench.doctor.machine import Machine
from mlxbench.doctor.model import model
from mlxbench.errors import InputError
from tests.doctor.machines import GIB, IDLE_LINUX, IDLE_MAC, by_topic

MODELS = registry.load()
LARGE = "qwen3-235b-a22b"

ONLINE = """
import sys
from mlxbench import registry
from mlxbench.doctor.model import model
from tests.doctor.machines import IDLE_MAC
for one in model(sys.argv[1], registry.load(), IDLE_MAC):
    print(one.topic, one.status, one.value, one.advice, sep="|")
"""


def found(name: str, machine: Machine = IDLE_MAC) -> dict[str, Finding]:
    return by_topic(model(name, MODELS, machine))


def test_a_made_up_model_needs_no_download() -> None:
    for machine in (IDLE_MAC, IDLE_LINUX):
        findings = found("tiny-moe", machine)
        assert [one.status for one in findings.values()] == ["ok", "ok"]
        assert "no download" in findings["model-files"].value


def test_a_directory_on_this_disk_is_read(tiny_dense: Path) -> None:
    findings = found(str(tiny_dense))

    assert findings["model-files"].status == "ok"
    assert findings["model-files"].value.startswith("on this disk, ")
    assert findings["model-memory"].status == "ok"


def test_a_damaged_checkpoint_is_a_problem_and_its_memory_is_not_guessed(
    tiny_dense: Path, tmp_path: Path
) -> None:
    for file in tiny_dense.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content[:-1] if "safetensors" in file.name else content)

    findings = found(str(tmp_path))

    assert {topic: one.status for topic, one in findings.items()} == {"model-files": "problem"}
    assert findings["model-files"].advice


def test_a_model_too_large_is_a_problem_with_both_figures() -> None:
    small = replace(IDLE_MAC, usable_bytes=96 * GIB)

    memory = found(LARGE, small)["model-memory"]

    assert memory.status == "problem"
    assert LARGE in memory.value
    assert "96.00 GiB are usable" in memory.value


def test_a_model_that_a_raised_limit_would_let_in_is_told_the_limit_for_itself() -> None:
    """Not the one for the next larger model of the registry, which is another."""
    small = replace(IDLE_MAC.environment, memory_bytes=32 * GIB)
    machine = replace(IDLE_MAC, environment=small, usable_bytes=10 * GIB)

    memory = found("qwen3-32b", machine)["model-memory"]

    before, _, limit = memory.advice.rpartition("=")
    assert before.startswith("choose a smaller model, or raise the limit: sudo sysctl ")
    raised = replace(machine, usable_bytes=int(limit.partition(",")[0]) << 20)
    assert found("qwen3-32b", raised)["model-memory"].status != "problem"


def test_a_model_larger_than_the_machine_is_told_of_no_limit() -> None:
    small = replace(IDLE_MAC.environment, memory_bytes=96 * GIB)

    memory = found(LARGE, replace(IDLE_MAC, environment=small, usable_bytes=72 * GIB))

    assert memory["model-memory"].advice == "choose a smaller model"


def test_a_model_that_fits_only_without_other_programs_is_a_warning_on_metal() -> None:
    crowded = replace(IDLE_MAC, available_bytes=20 * GIB)

    memory = found(LARGE, crowded)["model-memory"]

    assert memory.status == "warning"
    assert "only 20.00 GiB" in memory.value
    assert found(LARGE)["model-memory"].status == "ok"


def test_memory_is_unknown_where_the_machine_or_the_model_tells_nothing() -> None:
    assert found(LARGE, replace(IDLE_MAC, usable_bytes=None))["model-memory"].status == "unknown"
    assert found("hf:nobody/nothing")["model-memory"].status == "unknown"


def test_what_is_not_here_is_a_problem_where_nothing_may_be_downloaded() -> None:
    files = found(LARGE)["model-files"]  # all tests run with HF_HUB_OFFLINE

    assert files.status == "problem"
    assert "HF_HUB_OFFLINE" in files.value


def lines(name: str, home: Path) -> Iterator[list[str]]:
    """The findings of a process that may download, and looks only whether it would have to."""
    variables = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", ONLINE, name],
        env={**variables, "HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )
    return (line.split("|") for line in done.stdout.splitlines())


def test_what_is_not_here_is_a_warning_where_it_can_be_downloaded(tmp_path: Path) -> None:
    (files, memory) = lines("qwen3-0.6b", tmp_path)

    assert files[:2] == ["model-files", "warning"]
    assert "will download it" in files[2]
    assert files[3].endswith("mlxbench models pull qwen3-0.6b")
    assert memory[:2] == ["model-memory", "ok"]
    assert not (tmp_path / "hub").exists() or not list((tmp_path / "hub").glob("models--*/blobs/*"))


@pytest.mark.parametrize("name", ["", "qwen3", "hf:nobody", "no-such-model"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        found(name)


def test_a_model_that_only_ollama_has_is_said_to_be_one() -> None:
    spec = replace(MODELS["qwen3-32b"], name="theirs", repository=None, revision=None)

    findings = by_topic(model("theirs", {"theirs": spec}, IDLE_MAC))

    assert findings["model-files"].status == "warning"
    assert str(spec.ollama) in findings["model-files"].value
    assert findings["model-memory"].status == "ok"
