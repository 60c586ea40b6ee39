from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from mlxbench.checkpoints import (
    Found,
    HubReference,
    local_checkpoints,
    locate,
    parse_reference,
    resolve,
)
from mlxbench.checkpoints.hub_errors import translate
from mlxbench.errors import CheckpointError, DoesNotFitError, HubError, InputError
from mlxbench.redact import redact
from tests.checkpoints.tiny_checkpoint import single_files, write_files

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:acme/tiny", HubReference("acme/tiny")),
        ("hf:acme/tiny@main", HubReference("acme/tiny", "main")),
        ("hf:acme/tiny@refs/pr/3", HubReference("acme/tiny", "refs/pr/3")),
        ("hf:mlx-community/Qwen3-0.6B-4bit", HubReference("mlx-community/Qwen3-0.6B-4bit")),
        ("models/tiny", Path("models/tiny")),
        ("acme/tiny", Path("acme/tiny")),
        ("~/tiny", Path("~/tiny").expanduser()),
    ],
)
def test_a_reference_is_a_repository_or_a_directory(
    text: str, expected: Path | HubReference
) -> None:
    parsed = parse_reference(text)
    assert parsed == expected
    if isinstance(parsed, HubReference):
        assert parsed.name == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a\0b", "NUL"),
        ("hf:", "does not name an owner"),
        ("hf:tiny", "does not name an owner"),
        ("hf:a/b/c", "does not name an owner"),
        ("hf:/tiny", "empty owner"),
        ("hf:acme/", "empty repository"),
        ("hf:acme/tiny@", "empty revision"),
        ("hf:acme/tiny@a b", "'a b' as its revision"),
        ("hf:acme/tiny@../../x", "as its revision"),
        ("hf:acme/ti ny", "'ti ny' as its repository"),
        ("hf:../tiny", "'..' as its owner"),
        ("hf:acme/a--b", "'a--b' as its repository"),
        ("hf:acme/tiny.git", "'tiny.git' as its repository"),
        ("hf:acme/tiny\nx", "as its repository"),
    ],
)
def test_a_malformed_reference_is_refused_with_its_fault(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reference(text)
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


def test_a_directory_resolves_to_itself_under_the_name_given(tmp_path: Path) -> None:
    write_files(tmp_path, single_files())
    found = resolve(str(tmp_path))
    assert (found.name, found.source, found.directory) == (
        str(tmp_path),
        "directory",
        str(tmp_path),
    )


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no directory"):
        resolve(str(tmp_path / "absent"))


def test_checkpoints_of_other_tools_are_listed_with_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "hub")
    repository = tmp_path / "hub" / "models--acme--tiny"
    write_files(repository / "snapshots" / "aaa", single_files())
    write_files(repository / "snapshots" / "bbb", single_files())
    write_files(repository / "refs", {"main": b"bbb"})
    write_files(
        tmp_path / "hub" / "models--acme--words" / "snapshots" / "c", {"config.json": b"{}"}
    )
    write_files(tmp_path / ".lmstudio" / "models" / "acme" / "new", single_files())
    write_files(tmp_path / ".cache" / "lm-studio" / "models" / "acme" / "old", single_files())
    write_files(tmp_path / ".lmstudio" / "models" / "acme" / "gguf", {"a.gguf": b""})
    weights = len(single_files()["model.safetensors"])
    new, old = (
        tmp_path / ".lmstudio/models/acme/new",
        tmp_path / ".cache/lm-studio/models/acme/old",
    )
    assert local_checkpoints() == sorted(
        [
            Found("hf:acme/tiny", repository / "snapshots" / "bbb", weights),
            Found("hf:acme/tiny@aaa", repository / "snapshots" / "aaa", weights),
            Found(str(new), new, weights),
            Found(str(old), old, weights),
        ],
        key=lambda found: found.name,
    )


def test_messages_lose_tokens_users_and_line_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "unusual-token")
    text = "GET https://me:pw@host/x\nBearer hf_abc123 unusual-token"
    assert redact(text) == "GET https://***@host/x Bearer *** ***"


def test_a_full_disk_and_a_forbidden_cache_are_told_apart() -> None:
    full = translate(OSError(errno.ENOSPC, "No space left"), "acme/tiny", None)
    assert isinstance(full, DoesNotFitError)
    assert "disk is full" in full.problem
    forbidden = translate(PermissionError(errno.EACCES, "denied", "/cache"), "acme/tiny", None)
    assert isinstance(forbidden, HubError)
    assert "cannot write /cache (denied)" in forbidden.problem


def test_importing_the_package_imports_no_huggingface_hub() -> None:
    program = "import sys, mlxbench.checkpoints; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0
