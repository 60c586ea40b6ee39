"""Makers of synthetic checkpoints that die, race, or run out of room."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlxbench.errors import DoesNotFitError, InputError
from mlxbench.synthetic import Recipe, ensure, shards, size_bytes
from mlxbench.synthetic.layout import tensors
from tests.synthetic.shapes import MOE, QWEN3_30B, TINY, contents, weight_bytes


def leftovers(cache: Path) -> list[str]:
    """What lies in the cache besides checkpoints and the lock file."""
    return [path.name for path in (cache / "synthetic").glob(".*") if path.name != ".lock"]


def make_in_step(recipe: Recipe, cache: Path, barrier: Barrier) -> None:
    barrier.wait()
    ensure(recipe, cache)


def make_and_die(recipe: Recipe, cache: Path) -> None:
    def die(written: int, total: int) -> None:
        if written > total / 2:
            os.kill(os.getpid(), signal.SIGKILL)

    ensure(recipe, cache, die)


@contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    """Have the system refuse to let any file of this process grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_checkpoint_is_made_once_and_then_reused(tmp_path: Path) -> None:
    directory = ensure(TINY, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert {path.name for path in before} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert ensure(TINY, tmp_path, lambda *_: pytest.fail("made again")) == directory
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before
    assert leftovers(tmp_path) == []


def test_progress_grows_to_the_predicted_size(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    ensure(TINY, tmp_path, lambda written, total: seen.append((written, total)))
    written = [done for done, _ in seen]
    assert written == sorted(written)
    assert {total for _, total in seen} == {size_bytes(TINY)}
    assert written[-1] == size_bytes(TINY)


def test_a_killed_maker_leaves_nothing_that_looks_complete(tmp_path: Path) -> None:
    maker = multiprocessing.get_context("spawn").Process(target=make_and_die, args=(TINY, tmp_path))
    maker.start()
    maker.join()
    assert maker.exitcode == -signal.SIGKILL
    assert not (tmp_path / "synthetic" / TINY.directory_name).exists()
    assert leftovers(tmp_path) == [".partial"]
    assert weight_bytes(ensure(TINY, tmp_path)) == size_bytes(TINY)
    assert leftovers(tmp_path) == []


def test_an_interrupted_maker_cleans_up(tmp_path: Path) -> None:
    def interrupt(_written: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(TINY, tmp_path, interrupt)
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "synthetic" / TINY.directory_name).exists()


def test_makers_of_the_same_checkpoint_all_end_with_a_good_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    makers = [
        context.Process(target=make_in_step, args=(TINY, tmp_path / "shared", barrier))
        for _ in range(3)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    alone = ensure(TINY, tmp_path / "alone")
    assert contents(tmp_path / "shared" / "synthetic" / alone.name) == contents(alone)
    assert leftovers(tmp_path / "shared") == []


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_checkpoint_that_lost_a_file_is_made_again(tmp_path: Path, name: str) -> None:
    directory = ensure(TINY, tmp_path)
    whole = contents(directory)
    (directory / name).unlink()
    assert contents(ensure(TINY, tmp_path)) == whole


def test_a_checkpoint_with_a_cut_shard_is_made_again(tmp_path: Path) -> None:
    directory = ensure(TINY, tmp_path)
    whole = contents(directory)
    os.truncate(directory / "model.safetensors", 1000)
    assert contents(ensure(TINY, tmp_path)) == whole


def test_too_little_free_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=17_500_000_000))
    with pytest.raises(DoesNotFitError, match=r"needs 17\.7 GB .* has 17\.5 GB free"):
        ensure(Recipe("qwen3-30b-a3b", QWEN3_30B), tmp_path)
    assert [path.name for path in (tmp_path / "synthetic").iterdir()] == [".lock"]


def test_a_file_system_that_refuses_a_large_file_is_reported_with_figures(tmp_path: Path) -> None:
    with (
        file_size_limit(1_000_000),
        pytest.raises(DoesNotFitError, match=r"needs 0\.5 GB .* free: File too large"),
    ):
        ensure(TINY, tmp_path)
    assert leftovers(tmp_path) == []
    assert weight_bytes(ensure(TINY, tmp_path)) == size_bytes(TINY)


if Path("/dev/full").exists():  # Linux: a device whose disk is always full

    def test_a_disk_that_fills_up_while_writing_is_reported_with_figures(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 1_000_000)

        recipe = Recipe("tiny-moe", MOE)
        names = [shard.file for shard in shards.plan(tensors(MOE, "BF16"))]
        second = tmp_path / "synthetic" / ".partial" / names[1]

        def fill_the_disk(_written: int, _total: int) -> None:
            if not second.is_symlink():
                second.symlink_to("/dev/full")

        with pytest.raises(DoesNotFitError, match=r"needs 0\.5 GB .* free: No space left"):
            ensure(recipe, tmp_path, fill_the_disk)
        assert leftovers(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be kept in .*file/synthetic"):
        ensure(TINY, tmp_path / "file")


PEAK_MEMORY = """
import resource, sys
from pathlib import Path
from mlxbench.records import Shape
from mlxbench.synthetic import Recipe, ensure
shape = Shape("qwen3", 1024, 8, 16, 8, 128, 3072, 151936, tie_word_embeddings=True)
ensure(Recipe("wide", shape, scales="f32"), Path(sys.argv[1]))
assert not any(name.split(".")[0] in ("mlx", "mlx_lm", "transformers") for name in sys.modules)
status = Path("/proc/self/status")
if status.exists():  # ru_maxrss of a child starts from its parent's on Linux
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_stays_flat_with_a_real_vocabulary_and_mlx_is_not_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PEAK_MEMORY, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(answer.stdout) <= 200_000_000
