from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlxbench.checkpoints import ExpectedFile, hashes, load_manifest, verify
from mlxbench.checkpoints.manifest import save_manifest
from mlxbench.paths import cache_directory
from tests.checkpoints.tiny_checkpoint import INDEX, SHARD_1, SHARD_2, sharded_files, write_files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLXBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_files(tmp_path / "model", sharded_files())


def expected() -> list[ExpectedFile]:
    return [
        ExpectedFile(name, len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        for name, data in sharded_files().items()
    ]


def faults(directory: Path, files: list[ExpectedFile] | None) -> dict[str, str]:
    return {f.file: f.detail for f in verify(directory, files) if not f.ok}


def flip_last_bit(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_a_whole_checkpoint_has_no_fault_and_all_its_bytes_are_hashed(directory: Path) -> None:
    steps: list[tuple[int, int]] = []
    findings = verify(directory, expected(), lambda *step: steps.append(step))
    assert [finding.file for finding in findings] == [*sorted(sharded_files()), "checkpoint"]
    assert all(finding.ok for finding in findings)
    total = sum(len(data) for data in sharded_files().values())
    assert steps[-1] == (total, total)


def test_every_fault_is_found_not_only_the_first(directory: Path) -> None:
    flip_last_bit(directory / SHARD_1)
    (directory / SHARD_2).write_bytes(b"short")
    (directory / "tokenizer.json").unlink()
    found = faults(directory, expected())
    assert found[SHARD_1].startswith("has sha256:")
    assert found[SHARD_2].startswith("has 5 bytes where the hub states")
    assert found["tokenizer.json"] == "is missing"
    assert SHARD_2 in found["checkpoint"]


def test_a_flipped_bit_in_the_data_is_seen_by_its_hash_alone(directory: Path) -> None:
    flip_last_bit(directory / SHARD_1)
    assert faults(directory, None) == {}
    assert list(faults(directory, expected())) == [SHARD_1]


def test_without_a_manifest_headers_and_index_are_checked(directory: Path) -> None:
    findings = {finding.file: finding for finding in verify(directory)}
    assert findings[SHARD_1].detail == "header as expected"
    (directory / INDEX).write_bytes(b"{")
    assert list(faults(directory, None)) == ["checkpoint"]


def test_a_missing_directory_is_a_finding(tmp_path: Path) -> None:
    assert "no directory" in faults(tmp_path / "absent", None)["checkpoint"]


def test_a_second_verify_reads_no_data_and_a_changed_file_is_hashed_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = hashes._hash

    def counting(path: Path, algorithm: str, size: int, on_bytes: hashes.OnBytes) -> str:
        hashed.append(path.name)
        return real(path, algorithm, size, on_bytes)

    monkeypatch.setattr(hashes, "_hash", counting)
    verify(directory, expected())
    assert sorted(hashed) == sorted(sharded_files())
    hashed.clear()
    assert faults(directory, expected()) == {}
    assert hashed == []
    before = (directory / SHARD_1).stat()
    flip_last_bit(directory / SHARD_1)
    os.utime(directory / SHARD_1, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert list(faults(directory, expected())) == [SHARD_1]
    assert hashed == [SHARD_1]


def test_a_damaged_memory_of_hashes_only_costs_time(directory: Path) -> None:
    verify(directory, expected())
    (cache_directory() / "hashes.json").write_bytes(b'{"half')
    assert faults(directory, expected()) == {}


def test_gits_own_hash_is_understood(tmp_path: Path) -> None:
    # `printf 'hello\n' | git hash-object --stdin` prints this
    (tmp_path / "greeting").write_bytes(b"hello\n")
    digest = "git-sha1:ce013625030ba8dba906f756967f9e9ca394464a"
    assert hashes.file_digest(tmp_path / "greeting", "git-sha1", lambda _: None) == digest


def test_a_manifest_comes_back_as_it_was_kept_and_only_for_its_commit() -> None:
    save_manifest("acme/tiny", "c0ffee", expected())
    assert load_manifest("acme/tiny", "c0ffee") == tuple(expected())
    assert load_manifest("acme/tiny", "decaf") is None
    assert load_manifest("acme/other", "c0ffee") is None


def test_an_unreadable_manifest_is_none() -> None:
    save_manifest("acme/tiny", "c0ffee", expected())
    (path,) = (cache_directory() / "manifests").rglob("*.json")
    for content in (b"{", b"{}", b'{"files": [{"name": "a"}]}', b'{"files": 3}'):
        path.write_bytes(content)
        assert load_manifest("acme/tiny", "c0ffee") is None
