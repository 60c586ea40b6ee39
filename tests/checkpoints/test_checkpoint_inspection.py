from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxbench.checkpoints import inspect
from mlxbench.errors import CheckpointError
from tests.checkpoints.tiny_checkpoint import (
    CONFIG,
    INDEX,
    SHARD_1,
    SHARD_2,
    TENSORS,
    safetensors,
    sharded_files,
    single_files,
    write_files,
)

Damage = Callable[[Path], object]


def cut(name: str, keep: int) -> Damage:
    return lambda d: (d / name).write_bytes((d / name).read_bytes()[:keep])


def remove(*names: str) -> Damage:
    def damage(directory: Path) -> None:
        for name in names:
            (directory / name).unlink()

    return damage


def write(name: str, data: bytes = b"") -> Damage:
    return lambda d: write_files(d, {name: data})


def dangle(name: str) -> Damage:
    def damage(directory: Path) -> None:
        (directory / name).unlink()
        (directory / name).symlink_to("../../blobs/gone")

    return damage


def only_pickles(directory: Path) -> None:
    remove(SHARD_1, SHARD_2, INDEX)(directory)
    write("pytorch_model.bin", b"\x80\x04")(directory)


# what a download that did not finish leaves, and what the message must name
PARTIAL: dict[str, tuple[Damage, str]] = {
    "no config": (remove("config.json"), "config.json"),
    "half a config": (cut("config.json", 20), "config.json"),
    "a listed shard is missing": (remove(SHARD_2), SHARD_2),
    "a numbered shard is missing": (remove(SHARD_1, INDEX), SHARD_1),
    "half an index": (cut(INDEX, 30), INDEX),
    "data cut short": (cut(SHARD_2, -1), SHARD_2),
    "header cut short": (cut(SHARD_2, 40), SHARD_2),
    "length cut short": (cut(SHARD_2, 3), SHARD_2),
    "an empty shard": (cut(SHARD_1, 0), SHARD_1),
    "a link into nothing": (dangle(SHARD_1), SHARD_1),
    "a tokenizer's link into nothing": (dangle("tokenizer.json"), "tokenizer.json"),
    "an unfinished file": (write("model.incomplete"), "model.incomplete"),
    "an unfinished local download": (
        write(".cache/huggingface/download/abc.incomplete"),
        "abc.incomplete",
    ),
    "no weights at all": (remove(SHARD_1, SHARD_2, INDEX), "model*.safetensors"),
    "pickled weights only": (only_pickles, "pytorch_model.bin"),
    "a shard of an older revision": (
        write(SHARD_2, safetensors({"model.norm.weight": TENSORS["model.norm.weight"]})),
        "model.gate.weight",
    ),
    "a shard too many": (write("model-00003-of-00003.safetensors"), "model-00003-of-00003"),
}


@pytest.mark.parametrize(("damage", "named"), PARTIAL.values(), ids=PARTIAL.keys())
def test_a_partial_download_is_refused_by_name(tmp_path: Path, damage: Damage, named: str) -> None:
    write_files(tmp_path, sharded_files())
    damage(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        inspect(tmp_path, "tiny", "directory")
    assert named in caught.value.problem
    assert caught.value.advice
    assert "\n" not in str(caught.value)


def test_a_whole_checkpoint_is_described(tmp_path: Path) -> None:
    write_files(tmp_path, sharded_files())
    found = inspect(tmp_path, "tiny", "hub", repository="acme/tiny", revision="c0ffee")
    assert (found.name, found.source, found.repository, found.revision) == (
        "tiny",
        "hub",
        "acme/tiny",
        "c0ffee",
    )
    assert found.directory == str(tmp_path)
    assert found.model_type == "qwen3_moe"
    # a: 256 + 16 + 16 bytes, gate: 128 + 4 + 4, norm: 128
    assert found.weight_bytes == 552
    # a: 64 × 32/4 = 512 parameters, gate: 32 × 32/8 = 128, norm: 64
    assert found.bits_per_weight == pytest.approx(552 * 8 / 704)
    assert found.quantization == {
        "": {"group_size": 64, "bits": 4},
        "model.gate": {"group_size": 64, "bits": 8},
    }


def test_a_single_file_without_an_index_weighs_the_same(tmp_path: Path) -> None:
    shards = inspect(write_files(tmp_path / "a", sharded_files()), "a", "directory")
    single = inspect(write_files(tmp_path / "b", single_files()), "b", "directory")
    assert single.weight_bytes == shards.weight_bytes
    assert single.bits_per_weight == shards.bits_per_weight
    assert single.fingerprint != shards.fingerprint


def test_real_4_bit_groups_of_64_weigh_4_and_a_half_bits(tmp_path: Path) -> None:
    tensors = {
        "w.weight": ("U32", [16, 16]),
        "w.scales": ("BF16", [16, 2]),
        "w.biases": ("BF16", [16, 2]),
    }
    write_files(tmp_path, single_files() | {"model.safetensors": safetensors(tensors)})
    assert inspect(tmp_path, "tiny", "directory").bits_per_weight == 4.5


def test_bits_per_weight_are_unknown_where_scales_contradict_the_settings(tmp_path: Path) -> None:
    config = {**CONFIG, "quantization": {"group_size": 32, "bits": 4}}
    write_files(tmp_path, single_files() | {"config.json": json.dumps(config).encode()})
    assert inspect(tmp_path, "tiny", "directory").bits_per_weight is None


def test_unquantised_weights_need_no_settings(tmp_path: Path) -> None:
    weights = safetensors({"w.weight": ("BF16", [4, 4]), "w.bias": ("BF16", [4])})
    write_files(tmp_path, {"config.json": b"{}", "model.safetensors": weights})
    found = inspect(tmp_path, "plain", "directory")
    assert found.bits_per_weight == 16
    assert found.quantization == {}
    assert found.model_type is None


def test_settings_equal_to_the_default_are_not_listed(tmp_path: Path) -> None:
    default = {"group_size": 64, "bits": 4}
    quantization = {**default, "same": default, "on": True, "off": False}
    config = json.dumps({"quantization": quantization}).encode()
    write_files(tmp_path, single_files() | {"config.json": config})
    assert inspect(tmp_path, "tiny", "directory").quantization == {"": default, "off": False}


def test_the_fingerprint_follows_shapes_and_config_but_not_the_place(tmp_path: Path) -> None:
    first = inspect(write_files(tmp_path / "a", single_files()), "a", "directory")
    again = inspect(write_files(tmp_path / "b", single_files()), "b", "hub", revision="x")
    assert first.fingerprint == again.fingerprint
    reshaped = {**TENSORS, "model.norm.weight": ("BF16", [8, 8])}
    other = single_files() | {"model.safetensors": safetensors(reshaped)}
    assert inspect(write_files(tmp_path / "c", other), "c", "directory").fingerprint != (
        first.fingerprint
    )
    config = single_files() | {"config.json": json.dumps({**CONFIG, "rope_theta": 1}).encode()}
    assert inspect(write_files(tmp_path / "d", config), "d", "directory").fingerprint != (
        first.fingerprint
    )


def test_links_into_a_cache_are_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "blobs", single_files())
    (tmp_path / "snapshot").mkdir()
    for name in single_files():
        (tmp_path / "snapshot" / name).symlink_to(Path("..") / "blobs" / name)
    assert inspect(tmp_path / "snapshot", "tiny", "hub").weight_bytes == 552


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("key", ["auto_map", "model_file"])
def test_code_of_the_repository_is_refused_and_never_run(
    tmp_path: Path, file: str, key: str
) -> None:
    canary = tmp_path / "canary"
    code = f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"
    files = sharded_files()
    settings = {**json.loads(files[file]), key: {"AutoModel": "modeling.Model"}}
    files |= {file: json.dumps(settings).encode(), "modeling.py": code.encode()}
    write_files(tmp_path / "model", files)
    with pytest.raises(CheckpointError, match=f"{file} asks to run .*'{key}'"):
        inspect(tmp_path / "model", "evil", "directory")
    assert not canary.exists()


@pytest.mark.parametrize(
    "config", [b"[]", b"null", b"\xff\xfe\xff", b"[" * 100_000, b'{"a": 1' + b"0" * 9999 + b"}"]
)
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, config: bytes) -> None:
    write_files(tmp_path, single_files() | {"config.json": config})
    with pytest.raises(CheckpointError, match=r"config\.json"):
        inspect(tmp_path, "tiny", "directory")


@pytest.mark.parametrize(
    "weight_map", [{}, [], {"a": "../model.safetensors"}, {"a": "other.bin"}, {"a": 1}]
)
def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path, weight_map: object) -> None:
    index = json.dumps({"weight_map": weight_map}).encode()
    write_files(tmp_path, sharded_files() | {INDEX: index})
    with pytest.raises(CheckpointError, match=r"index\.json"):
        inspect(tmp_path, "tiny", "directory")


def test_one_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    files = single_files()
    write_files(tmp_path, files | {"model_2.safetensors": files["model.safetensors"]})
    with pytest.raises(CheckpointError, match="in both"):
        inspect(tmp_path, "tiny", "directory")


def test_a_missing_directory_is_refused_with_the_form_of_a_repository(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no directory .*hf:owner/repository"):
        inspect(tmp_path / "absent", "absent", "directory")
