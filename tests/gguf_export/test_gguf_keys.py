"""Hyper-parameters, vocabulary and Modelfile, as a reader of the files finds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mlxbench.errors import CheckpointError
from mlxbench.gguf_export import export, modelfile
from mlxbench.synthetic.tokenizer import CONTROL_TOKENS, TEXT_TOKENS
from mlxbench.tokenizer import Tokenizer
from tests.gguf_export.variants import checkpoint, edited, gguf_keys, read_json

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5


def test_hyper_parameters_of_a_mixture(tiny_moe: Path, tmp_path: Path) -> None:
    keys = gguf_keys(export(checkpoint(tiny_moe), tmp_path).gguf)
    own = {
        name.removeprefix("qwen3moe."): value
        for name, value in keys.items()
        if name.startswith("qwen3moe.")
    }
    assert own.pop("attention.layer_norm_rms_epsilon") == pytest.approx(1e-6)
    assert own == {
        "context_length": 40960,
        "embedding_length": 256,
        "block_count": 4,
        "feed_forward_length": 768,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.key_length": 64,
        "attention.value_length": 64,
        "rope.freq_base": 1e6,
        "expert_count": 16,
        "expert_used_count": 4,
        "expert_feed_forward_length": 128,
    }
    assert keys["general.architecture"] == "qwen3moe"
    assert keys["general.file_type"] == 3
    assert keys["general.quantization_version"] == 2


def test_a_dense_model_has_no_experts(tiny_dense: Path, tmp_path: Path) -> None:
    keys = gguf_keys(export(checkpoint(tiny_dense), tmp_path).gguf)
    assert keys["general.architecture"] == "qwen3"
    assert not [name for name in keys if "expert" in name]


def test_every_token_has_the_id_that_the_tokenizer_gives_it(
    tiny_dense: Path, tmp_path: Path
) -> None:
    keys = gguf_keys(export(checkpoint(tiny_dense), tmp_path).gguf)
    tokens, types = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    content = read_json(tiny_dense / "tokenizer.json")
    expected = dict(content["model"]["vocab"])
    expected |= {one["content"]: one["id"] for one in content["added_tokens"]}
    assert {token: number for number, token in enumerate(tokens)} == expected
    assert len(tokens) == 4096
    by_type = {kind: {t for t, k in zip(tokens, types, strict=True) if k == kind} for kind in types}
    assert by_type[CONTROL] == set(CONTROL_TOKENS)
    assert by_type[USER_DEFINED] == set(TEXT_TOKENS)
    merges = [" ".join(one) for one in content["model"]["merges"]]
    assert keys["tokenizer.ggml.merges"] == merges
    assert (keys["tokenizer.ggml.model"], keys["tokenizer.ggml.pre"]) == ("gpt2", "qwen2")


def test_a_reply_ends_in_gguf_where_it_ends_in_mlx(tiny_dense: Path, tmp_path: Path) -> None:
    keys = gguf_keys(export(checkpoint(tiny_dense), tmp_path).gguf)
    stops = keys["tokenizer.ggml.eos_token_ids"]
    assert set(stops) == Tokenizer(tiny_dense).stop_tokens
    assert keys["tokenizer.ggml.eos_token_id"] == stops[0]
    tokens = keys["tokenizer.ggml.tokens"]
    assert [tokens[stop] for stop in stops] == ["<|im_end|>", "<|endoftext|>"]
    assert tokens[keys["tokenizer.ggml.padding_token_id"]] == "<|endoftext|>"
    assert keys["tokenizer.ggml.add_bos_token"] is False
    assert "<|im_start|>" in keys["tokenizer.chat_template"]


def test_rows_without_a_token_get_placeholders(tiny_dense: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_dense, directory)
    content = read_json(directory / "tokenizer.json")
    last = content["added_tokens"].pop()
    (directory / "tokenizer.json").write_text(json.dumps(content))
    keys = gguf_keys(export(checkpoint(directory), tmp_path / "out").gguf)
    assert keys["tokenizer.ggml.tokens"][last["id"]] == f"[PAD{last['id']}]"
    assert keys["tokenizer.ggml.token_type"][last["id"]] == UNUSED


@pytest.mark.parametrize(
    "other",
    [
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        None,
        {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]},
    ],
)
def test_a_tokenizer_that_splits_otherwise_is_refused(
    other: object, tiny_dense: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_dense, directory)
    content = read_json(directory / "tokenizer.json") | {"pre_tokenizer": other}
    (directory / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="splits text unlike Qwen's"):
        export(checkpoint(directory), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_tokens_than_rows_are_refused(tiny_dense: Path, tmp_path: Path) -> None:
    directory = edited(tiny_dense, tmp_path / "model", vocab_size=4000)
    with pytest.raises(CheckpointError, match="ids up to 4095, the model 4000 rows"):
        export(checkpoint(directory), tmp_path / "out")


def test_the_modelfile_names_the_file_and_the_published_sampling(
    tiny_dense: Path, tmp_path: Path
) -> None:
    made = export(checkpoint(tiny_dense), tmp_path / "out")
    lines = Path(made.modelfile).read_text().splitlines()
    assert lines[0] == (
        "# Made by mlxbench from some-model, synthetic with random weights: "
        "the weights are identical"
    )
    assert lines[1] == "FROM ./some-model.gguf"
    assert lines[-6:] == [
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "<|endoftext|>"',
        "PARAMETER temperature 0.6",
        "PARAMETER top_p 0.95",
        "PARAMETER top_k 20",
        "PARAMETER repeat_penalty 1",
    ]


def test_a_name_cannot_add_a_line_to_the_modelfile() -> None:
    made = modelfile.text("m.gguf", "from x\nFROM /etc/passwd", "identical", [], {"top_k": "9\nX"})
    assert [line for line in made.splitlines() if line.startswith("FROM")] == ["FROM ./m.gguf"]
    assert "top_k" not in made


@pytest.mark.parametrize(
    ("name", "ollama"),
    [
        ("qwen3-30b-a3b", "qwen3-30b-a3b-q41"),
        ("hf:mlx-community/Qwen3-4B-4bit", "hf-mlx-community-qwen3-4b-4bit-q41"),
    ],
)
def test_the_name_for_ollama_is_one_that_it_takes(name: str, ollama: str) -> None:
    assert modelfile.ollama_name(name) == ollama
