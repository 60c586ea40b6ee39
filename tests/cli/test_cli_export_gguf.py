"""`models export-gguf` as people and scripts run it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.cli.invoke import Outcome
from tests.gguf_export.variants import edited, requantized

Invoke = Callable[..., Outcome]


def test_the_report_fits_80_columns_and_ends_with_the_next_command(
    mlxbench: Invoke, shared_home: Path
) -> None:
    shown = mlxbench("models", "export-gguf", "tiny-moe")
    assert shown.code == 0, shown.err
    *facts, last = shown.out.splitlines()
    assert max(map(len, facts)) <= 80
    assert "5.06 bits per weight" in shown.out
    assert "the weights are identical" in shown.out
    folder = shared_home / "cache" / "gguf" / "tiny-moe"
    assert last == f"next: ollama create tiny-moe-q41 -f {shlex.quote(str(folder / 'Modelfile'))}"
    assert (folder / "tiny-moe.gguf").is_file()


def test_scripts_get_one_document(mlxbench: Invoke, tmp_path: Path) -> None:
    command = ("models", "export-gguf", "tiny-dense", "--layers", "2", "-o", str(tmp_path))
    made = json.loads(mlxbench(*command, "--json").out)["exported"]
    assert made["model"] == "tiny-dense-2l"
    assert made["gguf"] == str(tmp_path / "tiny-dense-2l.gguf")
    assert made["file_bytes"] == (tmp_path / "tiny-dense-2l.gguf").stat().st_size
    assert made["tensors"] == {"Q4_1": 16, "F32": 9}
    assert made["identical"] is True
    assert made["next_command"].startswith("ollama create tiny-dense-2l-q41 -f ")


def test_matrices_at_other_bits_are_warned_about(
    mlxbench: Invoke, tiny_dense: Path, tmp_path: Path
) -> None:
    directory = requantized(tiny_dense, tmp_path / "mixed", bits={"lm_head": 6})
    shown = mlxbench("models", "export-gguf", str(directory), "-o", str(tmp_path / "out"))
    assert shown.code == 0
    assert "1 matrices are not 4-bit and stored as F32 (output.weight)" in shown.err


def test_another_family_is_refused_in_one_line(
    mlxbench: Invoke, tiny_dense: Path, tmp_path: Path
) -> None:
    directory = edited(tiny_dense, tmp_path / "other", model_type="llama")
    shown = mlxbench("models", "export-gguf", str(directory), "-o", str(tmp_path / "out"))
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.count("\n") == 1
    assert "model_type 'llama' is not one of Qwen-3" in shown.err
