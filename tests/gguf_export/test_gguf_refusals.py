"""What cannot be exported, and disks that cannot take it: one line, and nothing left behind."""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from mlxbench.errors import CheckpointError, DoesNotFitError, InputError
from mlxbench.gguf_export import export
from tests.gguf_export.variants import checkpoint, edited, load, requantized, stored
from tests.synthetic.test_synthetic_cache import file_size_limit


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "llama"}, "model_type 'llama' is not one of Qwen-3"),
        ({"head_dim": None}, "does not describe a plain Qwen-3"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4}}, "rope_scaling 'yarn'"),
        ({"rope_theta": None}, "None as its rope_theta"),
        ({"num_hidden_layers": 5}, "lacks the tensor 'model.layers.4.input_layernorm.weight'"),
        ({"num_hidden_layers": 3}, r"tensor 'model\.layers\.3\..*' is none of a plain Qwen-3"),
        ({"quantization": {"bits": 4, "group_size": 64, "mode": "mxfp4"}}, "in mode 'mxfp4'"),
        ({"quantization": {"bits": 4, "group_size": 16}}, "4 bits in groups of 16"),
        ({"quantization": {"bits": 8, "group_size": 64}}, "not packed as config.json says"),
    ],
)
def test_a_checkpoint_that_gguf_would_compute_otherwise_is_refused(
    changes: dict[str, Any], problem: str, tiny_dense: Path, tmp_path: Path
) -> None:
    directory = edited(tiny_dense, tmp_path / "model", **changes)
    with pytest.raises(CheckpointError, match=problem) as refused:
        export(checkpoint(directory), tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "out").glob("*")) == []


def test_a_mixture_without_normalised_weights_is_refused(tiny_moe: Path, tmp_path: Path) -> None:
    directory = edited(tiny_moe, tmp_path / "model", norm_topk_prob=False)
    with pytest.raises(CheckpointError, match="norm_topk_prob is off"):
        export(checkpoint(directory), tmp_path / "out")


def test_an_eight_bit_checkpoint_is_refused(tiny_dense: Path, tmp_path: Path) -> None:
    modules = [name.removesuffix(".scales") for name in load(tiny_dense) if "scales" in name]
    directory = requantized(tiny_dense, tmp_path / "model", bits=dict.fromkeys(modules, 8))
    with pytest.raises(CheckpointError, match="no matrix of this checkpoint has 4 bits"):
        export(checkpoint(directory), tmp_path / "out")


def test_a_scale_beyond_f16_is_refused_by_name(tiny_dense: Path, tmp_path: Path) -> None:
    directory = requantized(tiny_dense, tmp_path / "model")
    tensors = load(directory)
    scales = np.array(tensors["lm_head.scales"].astype(mx.float32))
    scales[0, 0] = 1e6
    stored(directory, tensors | {"lm_head.scales": mx.array(scales)})
    with pytest.raises(CheckpointError, match=r"lm_head\.scales or its biases"):
        export(checkpoint(directory), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_too_little_disk_is_refused_before_anything_is_written(
    tiny_dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=400_000_000))
    with pytest.raises(DoesNotFitError, match=r"needs 0\.5 GB .* has 0\.4 GB free"):
        export(checkpoint(tiny_dense), tmp_path, lambda *_: pytest.fail("written"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_is_reported_and_cleaned(
    tiny_dense: Path, tmp_path: Path
) -> None:
    with (
        file_size_limit(1_000_000),
        pytest.raises(DoesNotFitError, match=r"needs 0\.5 GB .* free: File too large"),
    ):
        export(checkpoint(tiny_dense), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tiny_dense: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/some-model\.gguf cannot be written"):
        export(checkpoint(tiny_dense), tmp_path / "file")


def test_an_interrupted_export_leaves_the_earlier_file_as_it_was(
    tiny_dense: Path, tmp_path: Path
) -> None:
    made = export(checkpoint(tiny_dense), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(checkpoint(tiny_dense), tmp_path, interrupt)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert export(checkpoint(tiny_dense), tmp_path) == made


def test_two_exports_to_one_place_do_not_mix(tiny_dense: Path, tmp_path: Path) -> None:
    with (tmp_path / "some-model.gguf.partial").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another export is writing"):
            export(checkpoint(tiny_dense), tmp_path)


def test_a_file_left_by_a_killed_export_is_written_over(tiny_dense: Path, tmp_path: Path) -> None:
    (tmp_path / "some-model.gguf.partial").write_bytes(b"half")
    export(checkpoint(tiny_dense), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"some-model.gguf", "Modelfile"}


def test_progress_grows_to_the_size_of_all_tensors(tiny_dense: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = export(checkpoint(tiny_dense), tmp_path, lambda *counts: seen.append(counts))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (sum(made.tensor_bytes.values()),) * 2


def test_without_the_gguf_package_one_line_says_what_to_install(
    tiny_dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError, match="not installed; install it with `pip install gguf`"):
        export(checkpoint(tiny_dense), tmp_path)
