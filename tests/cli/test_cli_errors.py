"""Every mistake is one line on stderr, with the right exit code and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlxbench.records import Failed
from mlxbench.store import Store
from tests.cli.invoke import COMMAND, Outcome, environment, run

Invoke = Callable[..., Outcome]
LONG = ("-p", "20", "-g", "400", "-r", "1000")
QUICK = ("-p", "20", "-g", "3", "-r", "2", "--warmup", "0")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("decode",), "'--model'"),
        (("decoed", "--model", "tiny-moe"), "No such command 'decoed'"),
        (("decode", "--modle", "tiny-moe"), "Did you mean one of: '--mode', '--model'"),
        (("decode", "--model", "qwen3-30b-a3"), "did you mean qwen3-30b-a3b"),
        (("decode", "--model", ""), "empty name"),
        (("decode", "--model", "tiny-moe,,tiny-dense"), "empty name"),
        (("decode", "--model", "./nowhere"), "no directory"),
        (("decode", "--model", "hf:nobody"), "owner"),
        (("decode", "--model", "mlx-community/Qwen3-4B-4bit"), "hf:"),
        (("decode", "--model", "tiny-moe", "-p", "0"), "'0' is not allowed"),
        (("decode", "--model", "tiny-moe", "-p", "512,x"), "'x' is not allowed"),
        (("decode", "--model", "tiny-moe", "-p", "99999999999999999999"), "is not allowed"),
        (("decode", "--model", "tiny-moe", "-g", "1"), "'1' is not allowed"),
        (("decode", "--model", "tiny-moe", "-d", "-5"), "'-5' is not allowed"),
        (("decode", "--model", "tiny-moe", "-b", "1.5"), "'1.5' is not allowed"),
        (("decode", "--model", "tiny-moe", "-r", "0"), "0 is not in the range"),
        (("decode", "--model", "tiny-moe", "--budget", "0"), "0.0 is not in the range"),
        (("decode", "--model", "tiny-moe", "--kv-bits", "3"), "'3' is not one of"),
        (("decode", "--model", "tiny-moe", "--budget", "nan"), "'nan' is not a number"),
        (("decode", "--model", "tiny-moe", "--top-p", "nan"), "'nan' is not a number"),
        (("decode", "--model", "qwen3-235b-a22b", "-b", "9999"), "GiB are usable"),
        (("models", "verify", "/nope"), "no directory '/nope'"),
        (("results", "show", "\udcff"), "no run"),
        (("decode", "--model", "./x", "--synthetic"), "no model named"),
        (
            ("decode", "--model", "tiny-moe", "--workload", "lab-note", "-p", "5"),
            "-tokens is fixed",
        ),
        (("prefill", "--model", "tiny-moe", "--models-file", "/no/such.toml"), "/no/such.toml"),
        (("models", "show", "qwen"), "no model named"),
        (("models", "synth", "tiny-moe", "--layers", "0"), "not in the range"),
        (("models", "pull", "tiny-moe"), "nothing to download"),
        (("models", "verify", "qwen3-32b"), "models pull qwen3-32b"),
        (("results", "show", "zzz"), "no run 'zzz'"),
        (("results", "export", "--format", "xml"), "'xml' is not one of"),
        (("results", "list", "--db", "/no/such/store.sqlite"), "no result store"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    mlxbench: Invoke, arguments: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    Store.open(tmp_path / "empty.sqlite").close()
    if arguments[0] == "results" and "--db" not in arguments:
        arguments = (*arguments, "--db", str(tmp_path / "empty.sqlite"))
    outcome = mlxbench(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert expected in outcome.err


@pytest.mark.parametrize("group", [(), ("models",), ("results",)])
def test_a_group_without_a_command_shows_its_help_as_it_is(
    mlxbench: Invoke, group: tuple[str, ...]
) -> None:
    outcome = mlxbench(*group)
    assert outcome.code == 2
    assert outcome.err.startswith("Usage: mlxbench")
    assert "\nCommands:\n" in outcome.err


def test_a_full_disk_behind_stdout_is_one_line(shared_home: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" > /dev/full', "sh", *COMMAND, "models", "list", "--json"],
        env=environment(shared_home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write the output")
    assert done.stderr.count("\n") == 1


def test_a_terminal_without_unicode_still_gets_its_table(tmp_path: Path) -> None:
    outcome = run(tmp_path, "models", "list", variables={"PYTHONIOENCODING": "latin-1"})
    assert outcome.code == 0
    assert "qwen3-30b-a3b" in outcome.out


def test_a_corrupt_checkpoint_among_several_models_stops_before_any_is_loaded(
    mlxbench: Invoke, tiny_dense: Path, tmp_path: Path
) -> None:
    (tmp_path / "partial").mkdir()
    for file in tiny_dense.iterdir():
        content = file.read_bytes()
        cut = content[:-1] if file.suffix == ".safetensors" else content
        (tmp_path / "partial" / file.name).write_bytes(cut)
    outcome = mlxbench("decode", "--model", f"tiny-moe,{tmp_path / 'partial'}", *QUICK)
    assert outcome.code == 2
    assert "model.safetensors" in outcome.err
    assert "loading" not in outcome.err


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    outcome = run(tmp_path, "decode", "--model", "tiny-moe", *QUICK, "--db", "/dev/full")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "/dev/full" in outcome.err


def test_no_secret_and_no_home_directory_is_kept_or_shown(tmp_path: Path) -> None:
    secret = "hf_canaryCanaryCanaryCanary1234567"
    variables = {"HF_TOKEN": secret, "MLX_METAL_FAST_SYNCH": secret}
    outcome = run(tmp_path, "decode", "--model", "tiny-moe", *QUICK, "--json", variables=variables)
    assert outcome.code == 0, outcome.err
    shown = run(tmp_path, "results", "export", "--format", "jsonl", variables=variables)
    store = (tmp_path / "mlxbench" / "results.sqlite").read_bytes()
    assert secret.encode() not in store
    assert str(tmp_path).encode() not in store
    assert secret not in outcome.out + outcome.err + shown.out + shown.err


# A shell starts background jobs with SIGINT ignored, and so would be what a CI starts from there.
HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@contextmanager
def measuring(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A measurement that would run for minutes, after its first trial began."""
    with subprocess.Popen(
        [COMMAND[0], "-c", HEEDING + COMMAND[2], "decode", "--model", "tiny-moe", *LONG],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            assert any("first trial" in line for line in process.stderr)
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str]) -> int:
    """The exit code after Ctrl-C, which has to come within two seconds."""
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=20)
    assert time.monotonic() - begin < 2
    return code


@pytest.mark.parametrize("delay_s", [0.05, 0.4, 1.1])
def test_ctrl_c_ends_within_two_seconds_and_keeps_what_was_measured(
    tmp_path: Path, delay_s: float
) -> None:
    with measuring(tmp_path) as process:
        time.sleep(delay_s)
        assert interrupted(process) == 130
    with Store.open(tmp_path / "mlxbench" / "results.sqlite") as store:
        (newest,) = store.runs()
        run_now = store.run(newest.run_id)
    assert run_now.status == "aborted"
    aborted = [
        record
        for record in run_now.trials
        if isinstance(record.trial, Failed) and record.trial.reason == "aborted"
    ]
    assert len(aborted) <= 1
    assert [record.sequence for record in run_now.trials] == list(range(len(run_now.trials)))


STUCK = """
import ctypes
from mlxbench.cli.interrupt import prompt_exit

libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
libc.pthread_mutex_init(mutex, None)
libc.pthread_mutex_lock(mutex)
with prompt_exit(lambda: print("recorded", flush=True)):
    print("ready", flush=True)
    # Goes on after a signal, like an evaluation: Python's handler has no turn until it returns.
    libc.pthread_mutex_lock(mutex)
"""


def test_ctrl_c_works_while_the_main_thread_is_stuck_outside_python() -> None:
    command = [COMMAND[0], "-c", HEEDING + STUCK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        assert interrupted(process) == 130
        assert process.stdout.read() == "recorded\n"


def test_a_reader_that_leaves_early_is_no_error(shared_home: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" | head -n 1', "sh", *COMMAND, "models", "list", "--json"],
        env=environment(shared_home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_help_needs_neither_mlx_nor_mlx_lm(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom mlxbench.cli import cli\n"
        "for arguments in ([], ['decode'], ['prefill'], ['models'], ['results', 'list']):\n"
        "    try: cli.main([*arguments, '--help'], standalone_mode=True)\n"
        "    except SystemExit: pass\n"
        "heavy = {'mlx', 'mlx_lm', 'numpy', 'scipy', 'huggingface_hub', 'rich', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script], env=environment(tmp_path), capture_output=True, text=True
    )
    assert done.stderr == "[]\n"
    assert os.linesep in done.stdout
