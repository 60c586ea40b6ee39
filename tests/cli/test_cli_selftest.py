"""`doctor --self-test` and `--read`: every step for real, into a file that can be shown again."""

from __future__ import annotations

import getpass
import json
import platform
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlxbench import selftest
from mlxbench.cli.selftest import Kept, run_self_test
from mlxbench.selftest import QUICK, SelfTest
from tests.cli.conftest import Invoke
from tests.cli.invoke import COMMAND, environment
from tests.selftest.samples import BAD, GOOD, a_self_test

TOPICS = {
    "clock",
    "waiting for the device",
    "costs",
    "environment",
    "tiny-moe",
    "qwen3-0.6b",
    "engine",
    "machinery",
    "kernel cached_lhs_indices",
    "kernel gate_up_concat",
    "kernel moe_experts",
    "kernel softmax_topk",
    "ties",
}


@dataclass(frozen=True, slots=True)
class Done:
    """A whole self-test in small: its file, and what it printed."""

    path: Path
    document: dict[str, Any]
    progress: list[str]

    @property
    def found(self) -> SelfTest:
        return selftest.read(self.path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Done once, in a process of its own."""
    home = tmp_path_factory.mktemp("home")
    path = home / "self-test.json"
    script = (
        "from pathlib import Path; from mlxbench.cli.selftest import run_self_test; "
        "from mlxbench.selftest import QUICK; "
        f"run_self_test(Path({str(path)!r}), True, QUICK)"
    )
    ran = subprocess.run(
        [COMMAND[0], "-c", script],
        env=environment(home, HF_TOKEN="hf_canary123"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    yield Done(path, json.loads(ran.stdout), ran.stderr.splitlines())


def test_every_step_is_done_and_nothing_fails(done: Done) -> None:
    found = done.found
    assert found.status == "done"
    assert found.failed == ()
    assert {one.topic for one in found.checks} == TOPICS


def test_stdout_and_the_file_hold_the_same(done: Done) -> None:
    assert done.document == json.loads(done.path.read_text())


def test_progress_counts_the_steps_on_stderr(done: Done) -> None:
    steps = done.found.steps
    assert done.progress[0] == f"step 1 of {len(steps)}: clock (0 s so far) …"
    assert [line.partition(": ")[2].rsplit(" (", 1)[0] for line in done.progress[:-1]] == [
        step.title for step in steps
    ]
    assert done.progress[-1].startswith(f"kept in {done.path}: ")


def test_the_file_is_the_owners_and_names_nobody(done: Done) -> None:
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o600
    text = done.path.read_text().lower()
    names = {platform.node(), getpass.getuser(), "hf_canary123", str(done.path.parent), "/tmp"}
    for secret in names - {"root", "localhost"}:
        assert secret.lower() not in text


def test_nothing_is_left_in_the_cache(done: Done) -> None:
    assert not list(done.path.parent.rglob("*.safetensors"))


def test_such_a_file_is_shown_again(done: Done, mlxbench: Invoke) -> None:
    shown = mlxbench("doctor", "--read", str(done.path))
    assert shown.code == 0
    assert "0 failed" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_and_as_the_document_it_came_from(done: Done, mlxbench: Invoke) -> None:
    shown = mlxbench("doctor", "--read", str(done.path), "--json")
    assert json.loads(shown.out) == done.document


def test_a_file_of_a_failed_one_is_shown_without_failing(tmp_path: Path, mlxbench: Invoke) -> None:
    path = tmp_path / "theirs.json"
    selftest.write(path, a_self_test(GOOD, BAD))
    shown = mlxbench("doctor", "--read", str(path))
    assert shown.code == 0
    assert "FAILED kernel a, check on metal: 3 of 4 passed" in shown.out


@pytest.mark.parametrize("content", [None, "", "{}", '{"self_test": {"format": 99}}'])
def test_what_cannot_be_read_is_one_line_and_bad_input(
    content: str | None, tmp_path: Path, mlxbench: Invoke
) -> None:
    path = tmp_path / "theirs.json"
    if content is not None:
        path.write_text(content)
    shown = mlxbench("doctor", "--read", str(path))
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1


def test_a_file_that_is_there_is_kept_and_nothing_is_measured(
    tmp_path: Path, mlxbench: Invoke
) -> None:
    path = tmp_path / "mine.json"
    path.write_text("mine")
    shown = mlxbench("doctor", "--self-test", "--output", str(path))
    assert shown.code == 2
    assert "is there already" in shown.err
    assert path.read_text() == "mine"


def test_a_failed_check_gives_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selftest, "run", lambda *_: a_self_test(GOOD, BAD))
    with pytest.raises(SystemExit) as left:
        run_self_test(tmp_path / "a.json", as_json=False, scale=QUICK)
    assert left.value.code == 1
    assert "1 passed, 1 failed" in capsys.readouterr().out


def test_ctrl_c_keeps_what_there_is_and_exits_130(tmp_path: Path) -> None:
    path = tmp_path / "broken-off.json"
    with subprocess.Popen(
        [*COMMAND, "doctor", "--self-test", "--output", str(path)],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A job that a shell put into the background would ignore it, and so would this one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("step 3 "):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    found = selftest.read(path)
    assert found.status == "interrupted"
    assert [step.title for step in found.steps[:2]] == ["clock", "waiting for the device"]
    assert found.checks


def test_a_process_stuck_in_the_device_leaves_the_file_marked(tmp_path: Path) -> None:
    path = tmp_path / "stuck.json"
    kept = Kept(path)
    kept.interrupt()
    assert not path.exists()  # nothing was found yet
    running = SelfTest("2026-11-23T04:15:22+00:00", "running", "full", a_self_test().environment)
    kept.keep(running)
    kept.interrupt()
    assert selftest.read(path).status == "interrupted"
