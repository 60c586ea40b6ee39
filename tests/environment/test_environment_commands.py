from __future__ import annotations

import sys
from pathlib import Path

from mlxbench.environment.commands import command_output, file_text


def test_what_a_command_prints_is_returned() -> None:
    assert command_output(sys.executable, "-c", "print('nominal')") == "nominal\n"


def test_an_absent_command_is_unknown() -> None:
    assert command_output("no-such-tool-of-any-system") is None


def test_a_failing_command_is_unknown_whatever_it_printed() -> None:
    assert command_output(sys.executable, "-c", "print(1); raise SystemExit(3)") is None


def test_a_command_that_never_ends_is_unknown() -> None:
    forever = "import signal; signal.pause()"

    assert command_output(sys.executable, "-c", forever, timeout_s=0.05) is None


def test_bytes_that_are_no_text_do_not_matter() -> None:
    program = r"import sys; sys.stdout.buffer.write(b'1\xff\n')"

    assert command_output(sys.executable, "-c", program) == "1\ufffd\n"


def test_commands_speak_the_c_locale() -> None:
    program = "import os; print(os.environ['LC_ALL'])"

    assert command_output(sys.executable, "-c", program) == "C\n"


def test_an_unreadable_file_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("42\n")

    assert file_text(tmp_path / "limit") == "42\n"
    assert file_text(tmp_path / "missing") is None
    assert file_text(tmp_path) is None
