"""`mlxbench doctor` from the command line: the contract for scripts and what people see."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxbench import registry
from mlxbench.lock import HOLDER_VARIABLE
from mlxbench.selftest.scale import FULL, recipes
from mlxbench.synthetic import size_bytes
from tests.cli.invoke import COMMAND, Outcome, environment
from tests.ollama_double import ModelCard, OllamaDouble
from tests.ollama_double.client import post

Invoke = Callable[..., Outcome]
HOLD = """
import sys
from mlxbench.lock import accelerator_lock
with accelerator_lock():
    print("held", flush=True)
    sys.stdin.read()
"""
WITHOUT_MLX = """
import sys
sys.modules["mlx"] = sys.modules["mlx.core"] = None
from mlxbench.cli import main
main()
"""


@pytest.fixture(autouse=True)
def no_ollama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")  # the port of discard: nothing answers


@pytest.fixture
def busy_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Another process that measures on this machine, by its id."""
    monkeypatch.delenv(HOLDER_VARIABLE, raising=False)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.communicate("")


def document(outcome: Outcome) -> dict[str, Any]:
    loaded = json.loads(outcome.out)
    assert isinstance(loaded, dict)
    return loaded


def topics(outcome: Outcome, status: str) -> list[str]:
    return [one["topic"] for one in document(outcome)["findings"] if one["status"] == status]


def test_the_document_has_the_keys_that_scripts_rely_on(mlxbench: Invoke) -> None:
    outcome = mlxbench("doctor", "--model", "tiny-moe", "--json")

    found = document(outcome)
    assert set(found) == {"schema_version", "ready", "findings"}
    for finding in found["findings"]:
        assert set(finding) == {"topic", "status", "value", "advice"}
        assert finding["status"] in ("ok", "warning", "problem", "unknown")
        assert all(isinstance(value, str) for value in finding.values())
    assert found["ready"] is (topics(outcome, "problem") == [])
    assert found["ready"] is True
    assert (outcome.code, outcome.err) == (0, "")


def test_what_blocks_makes_exit_code_1_and_is_named_last(mlxbench: Invoke, tmp_path: Path) -> None:
    arguments = ("--model", "qwen3-235b-a22b", "--db", str(tmp_path))
    shown = mlxbench("doctor", *arguments)
    scripted = mlxbench("doctor", *arguments, "--json")

    assert (shown.code, scripted.code) == (1, 1)
    assert document(scripted)["ready"] is False
    assert "store" in topics(scripted, "problem")
    assert shown.out.splitlines()[-1].startswith("not ready: ")
    assert "store" in shown.out.splitlines()[-1]
    assert max(map(len, shown.out.splitlines())) <= 80
    assert shown.err == ""


def test_another_mlxbench_at_work_is_found_and_left_alone(
    mlxbench: Invoke, busy_elsewhere: int
) -> None:
    outcome = mlxbench("doctor", "--json")

    assert outcome.code == 1
    assert topics(outcome, "problem") == ["lock"]
    (lock,) = [one for one in document(outcome)["findings"] if one["topic"] == "lock"]
    assert f"pid {busy_elsewhere}" in lock["value"]


def test_models_that_ollama_holds_are_a_warning_and_with_strict_they_block(
    mlxbench: Invoke,
) -> None:
    with OllamaDouble(models=[ModelCard("other:1b")]) as double:
        post(double, {"model": "other:1b", "keep_alive": 60})
        plain = mlxbench("doctor", "--url", double.url, "--json")
        strict = mlxbench("doctor", "--url", double.url, "--strict", "--json")

    assert plain.code == 0
    assert "ollama" in topics(plain, "warning")
    assert strict.code == 1
    assert document(strict)["ready"] is False


def test_the_home_directory_is_not_shown(
    mlxbench: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "canary"))
    (tmp_path / "canary" / "store").mkdir(parents=True)

    outcome = mlxbench("doctor", "--json", "--db", str(tmp_path / "canary" / "store"))

    assert outcome.code == 1
    assert "~/store" in outcome.out
    assert "canary" not in outcome.out


def test_a_machine_without_mlx_is_told_so_instead_of_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MLX, "doctor", "--json"],
        env=environment(tmp_path, OLLAMA_HOST="127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "")
    found = {one["topic"]: one["status"] for one in json.loads(done.stdout)["findings"]}
    assert found["backend"] == "problem"
    assert found["clang"] == "unknown"


def test_it_makes_no_store_and_takes_no_more_than_a_few_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    subprocess.run(
        [*COMMAND, "doctor"],
        env=environment(tmp_path, OLLAMA_HOST="127.0.0.1:9"),
        capture_output=True,
        check=False,
    )

    assert time.monotonic() - began < 10  # 1 s on an idle machine
    assert not (tmp_path / "mlxbench").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--model", "qwen3-30b-a3"), "did you mean qwen3-30b-a3b"),
        (("--model", "./nowhere"), "no directory"),
        (("--model", ""), "the model name is empty"),
        (("--url", "example.org"), "not on this machine"),
        (("--modle", "x"), "Did you mean"),
        (("--output", "x.json"), "add --self-test"),
        (("--self-test", "--read", "x.json"), "exclude each other"),
        (("--self-test", "--strict"), "leave them out"),
        (("--read", "/nowhere.json", "--model", "tiny-moe"), "leave them out"),
        (("--models-file", "/no/such.toml"), "/no/such.toml"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    mlxbench: Invoke, arguments: tuple[str, ...], expected: str
) -> None:
    outcome = mlxbench("doctor", *arguments)

    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert expected in outcome.err


def test_help_and_page_say_how_much_of_the_disk_a_self_test_takes(mlxbench: Invoke) -> None:
    specs = registry.load(registry.builtin_file())
    shapes = {name: spec.shape for name, spec in specs.items() if spec.shape is not None}
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    shown = " ".join(mlxbench("doctor", "--help").out.split())
    for on_cpu in (False, True):
        made = recipes(shapes, FULL, on_cpu, 1 << 40)
        most = f"{max(map(size_bytes, made)) / 1e9:.1f} GB"
        assert most in shown
        assert most in page


def test_help_needs_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mlxbench.cli import cli\n"
        "try: cli.main(['doctor', '--help'], standalone_mode=True)\n"
        "except SystemExit: pass\n"
        "heavy = {'mlx', 'mlx_lm', 'numpy', 'scipy', 'huggingface_hub', 'rich', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == "[]\n"
    assert "--self-test" in done.stdout
