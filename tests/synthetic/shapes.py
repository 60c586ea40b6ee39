"""Shapes and helpers that the tests of synthetic checkpoints share."""

from __future__ import annotations

from pathlib import Path

from mlxbench.records import Shape
from mlxbench.synthetic import Recipe

DENSE = Shape("qwen3", 256, 4, 4, 2, 64, 768, 4096, tie_word_embeddings=False)
MOE = Shape("qwen3_moe", 256, 4, 4, 2, 64, 768, 4096, False, 16, 4, 128)
QWEN3_06B = Shape("qwen3", 1024, 28, 16, 8, 128, 3072, 151936, tie_word_embeddings=True)
QWEN3_30B = Shape("qwen3_moe", 2048, 48, 32, 4, 128, 6144, 151936, False, 128, 8, 768)
QWEN3_235B = Shape("qwen3_moe", 4096, 94, 64, 4, 128, 12288, 151936, False, 128, 8, 1536)
TINY = Recipe("tiny-dense", DENSE, scales="f32")


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a checkpoint."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def weight_bytes(directory: Path) -> int:
    """The size of all shards together."""
    return sum(path.stat().st_size for path in directory.glob("*.safetensors"))
