from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlxbench.checkpoints import headers
from mlxbench.checkpoints.headers import MAX_HEADER_BYTES, read_header
from mlxbench.errors import CheckpointError
from tests.checkpoints.tiny_checkpoint import TENSORS, raw_safetensors, safetensors

FUZZ_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_headers.py"


def entry(dtype: str = "U8", shape: Any = (4,), offsets: Any = (0, 4), **more: Any) -> Any:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def pair(first: Any, second: Any) -> bytes:
    return json.dumps({"a": first, "b": second}).encode()


def one(**fields: Any) -> bytes:
    return json.dumps({"a": entry(**fields)}).encode()


# header JSON, bytes of data, part of the message
WRONG = {
    "overlapping tensors": (pair(entry(), entry(offsets=[2, 6])), 6, "overlaps"),
    "two tensors in one place": (pair(entry(), entry()), 4, "overlaps"),
    "a gap between tensors": (pair(entry(), entry(offsets=[5, 9])), 9, "unused bytes"),
    "a gap before the first": (one(offsets=[4, 8]), 8, "unused bytes"),
    "trailing bytes": (one(), 5, "1 trailing bytes"),
    "data cut short": (one(), 3, "cut short"),
    "a span that is too long": (one(shape=[3]), 4, "span"),
    "a span that is too short": (one(dtype="F32"), 4, "span"),
    "swapped offsets": (one(offsets=[4, 0]), 4, "offsets"),
    "three offsets": (one(offsets=[0, 4, 4]), 4, "offsets"),
    "an unknown dtype": (one(dtype="F7"), 4, "unknown dtype"),
    "a dtype that is no text": (one(dtype=["U8"]), 4, "unknown dtype"),
    "a negative size": (one(shape=[-4]), 4, "not a size"),
    "true as a size": (one(shape=[4, True]), 4, "shape"),
    "a float as a size": (one(shape=[4.0]), 4, "not a size"),
    "minus zero": (b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}', 0, "not a size"),
    "a size beyond 64 bits": (one(shape=[2**64]), 4, "not a size"),
    "a shape that wraps around": (one(shape=[2**32, 2**32, 4]), 4, "overflows"),
    "a size of 9000 digits": (one().replace(b"[4]", b"[" + b"9" * 9000 + b"]"), 4, "not a size"),
    "half a byte": (one(dtype="F4", shape=[3], offsets=[0, 1]), 1, "whole bytes"),
    "an unknown field": (one(extra=1), 4, "exactly"),
    "a missing field": (b'{"a":{"dtype":"U8","shape":[4]}}', 4, "exactly"),
    "a tensor that is no object": (b'{"a":[]}', 0, "exactly"),
    "a duplicate name": (b'{"a":' + one()[5:-1] + b"," + one()[1:], 4, "twice"),
    "metadata of numbers": (b'{"__metadata__":{"a":1}}', 0, "not a string"),
    "metadata that is a list": (b'{"__metadata__":[]}', 0, "not an object"),
    "a lone surrogate": (one().replace(b'"a"', b'"\\ud800"'), 4, "surrogates"),
    "invalid UTF-8": (one().replace(b'"a"', b'"\xff"'), 4, "utf-8"),
    "nesting without end": (b'{"a":' * 100_000, 0, "nested too deep"),
    "broken JSON": (b'{"a":', 0, "corrupt"),
    "a list": (b"[]", 0, "'{'"),
    "a leading space": (b" {}", 0, "'{'"),
    "nothing": (b"", 0, "'{'"),
}


@pytest.mark.parametrize(("header", "data_bytes", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_header_is_refused_with_file_and_fault(
    tmp_path: Path, header: bytes, data_bytes: int, message: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw_safetensors(header, bytes(data_bytes)))
    with pytest.raises(CheckpointError) as caught:
        read_header(path)
    assert str(path) in caught.value.problem
    assert message in caught.value.problem
    assert "\n" not in str(caught.value)
    assert len(caught.value.problem) < 400


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"", "too few"),
        (b"\x02\x00\x00", "too few"),
        ((MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}", "exceeds 100000000"),
        (b"\xff" * 8 + b"{}", "exceeds"),
        ((3).to_bytes(8, "little") + b"{}", "exceeds the file"),
    ],
)
def test_a_wrong_length_is_refused(tmp_path: Path, start: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(start)
    with pytest.raises(CheckpointError, match=message):
        read_header(path)


def test_a_sound_header_gives_every_tensor_its_place(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(TENSORS))
    header = read_header(path)
    assert list(header.tensors) == list(TENSORS)
    assert header.tensors["model.a.scales"].shape == (8, 1)
    assert (header.tensors["model.a.scales"].begin, header.tensors["model.a.scales"].end) == (
        256,
        272,
    )
    assert header.file_bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("header", "data_bytes"),
    [
        (b"{}", 0),
        (b"{}      ", 0),
        (pair(entry(dtype="F4", shape=[2, 3], offsets=[0, 3]), entry(offsets=[3, 7])), 7),
        (pair(entry(dtype="F6_E3M2", offsets=[0, 3]), entry(offsets=[3, 7])), 7),
        (pair(entry(dtype="F8_E8M0"), entry(shape=[0], offsets=[4, 4])), 4),
        (pair(entry(shape=[0, 7], offsets=[0, 0]), entry()), 4),
        (one(dtype="F32", shape=[]), 4),
        (pair(entry(offsets=[4, 8]), entry()), 8),
    ],
    ids=["empty", "padded", "F4", "F6", "F8", "empty tensor", "scalar", "any order"],
)
def test_unusual_but_sound_headers_are_accepted(
    tmp_path: Path, header: bytes, data_bytes: int
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw_safetensors(header, bytes(data_bytes)))
    assert read_header(path).file_bytes == 8 + len(header) + data_bytes


def test_the_check_reads_no_tensor_data(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    terabyte = 10**12
    path.write_bytes(raw_safetensors(one(shape=[terabyte], offsets=[0, terabyte])))
    os.truncate(path, path.stat().st_size + terabyte)  # a hole: no byte of it is on the disk
    assert read_header(path).tensors["a"].end == terabyte


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("absent", "folder", "pipe"):
        with pytest.raises(CheckpointError, match=f"{name} is not a file"):
            read_header(tmp_path / name)


def load_fuzzer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_headers", FUZZ_SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_500_fuzzed_headers_neither_crash_nor_are_wrongly_accepted() -> None:
    summary = load_fuzzer().fuzz(500, seed=7)
    assert summary["faults"] == []
    assert summary["accepted"] > 100
    assert summary["refused"] > 100


def test_the_fuzzer_notices_a_check_that_ignores_the_layout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(headers, "_check_layout", lambda _tensors, _bytes: None)
    assert load_fuzzer().fuzz(500, seed=7)["wrongly_accepted"] > 10


def test_the_fuzzer_notices_a_check_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "_are_sizes", lambda _values: True)
    assert load_fuzzer().fuzz(500, seed=7)["crashes"] > 0
