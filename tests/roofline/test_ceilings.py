"""Ceilings over depth, worked by hand and against a published table."""

from __future__ import annotations

import pytest

from mlxbench import registry, roofline
from mlxbench.roofline import bytes_per_token, ceiling_tps

M3_ULTRA = roofline.BANDWIDTH["M3 Ultra"]


def test_a_token_reads_the_weights_and_the_cache_of_all_tokens_before_it() -> None:
    assert bytes_per_token(1_000, 10, depth=0) == 1_000
    assert bytes_per_token(1_000, 10, depth=50) == 1_500


def test_the_ceiling_is_bandwidth_over_bytes() -> None:
    assert ceiling_tps(3_000, 1_000, 10, depth=0) == 3
    assert ceiling_tps(3_000, 1_000, 10, depth=50) == 2


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("qwen3-30b-a3b", ("477", "386", "166", "56")),
        ("qwen3-32b", ("45.5", "43.0", "30.8", "15.6")),
        ("qwen3-235b-a22b", ("67.4", "63.3", "44.4", "21.9")),
    ],
)
def test_the_published_ceilings_of_an_m3_ultra_are_reproduced_to_their_digits(
    name: str, printed: tuple[str, ...]
) -> None:
    shape = registry.load()[name].shape
    assert shape is not None
    read, kept = roofline.active_bytes(shape), roofline.kv_bytes_per_token(shape)
    for depth, expected in zip((0, 4096, 32768, 131072), printed, strict=True):
        digits = len(expected.partition(".")[2])
        assert f"{ceiling_tps(M3_ULTRA, read, kept, depth):.{digits}f}" == expected
