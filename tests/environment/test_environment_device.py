from __future__ import annotations

import dataclasses
import json

import mlx.core as mx
import pytest

from mlxbench.environment.mlx_device import Accelerator, collect_accelerator, describe_device
from tests.environment.recordings import recorded


def test_a_mac_offers_its_recommended_working_set_not_all_memory() -> None:
    info = json.loads(recorded("metal_device_info.json"))

    assert describe_device("metal", info) == Accelerator("metal", "Apple M3 Ultra", 480 << 30)


def test_a_cuda_device_offers_all_its_memory_and_keeps_its_uuid() -> None:
    info = json.loads(recorded("cuda_device_info.json"))
    device = describe_device("cuda", info)

    assert device == Accelerator("cuda", "NVIDIA H200", 150_754_820_096)
    assert info["uuid"] not in repr(dataclasses.asdict(device))


@pytest.mark.parametrize("info", [{}, {"device_name": 7, "total_memory": "much"}])
def test_a_device_that_does_not_describe_itself_is_unknown(info: dict[str, str | int]) -> None:
    assert describe_device("cuda", info) == Accelerator("cuda")


def test_the_cpu_has_a_backend_but_is_no_accelerator() -> None:
    before = mx.default_device()
    mx.set_default_device(mx.cpu)
    try:
        assert collect_accelerator() == Accelerator("cpu")
    finally:
        mx.set_default_device(before)
