"""Fuzz the safetensors header check: how many wrong files does it accept, and does it ever crash?

    python benchmarks/fuzz_headers.py --output benchmarks/results/fuzz_headers.json

Three kinds of file, in turn: *valid* ones, which must be accepted; *wrong* ones, broken on purpose
in a known way, which must be refused; and *mutants*, valid files with random damage, which may be
either. The judge of the mutants is independent: the safetensors library itself must accept whatever
our check accepts, and must read the same names, types and shapes from it. The reverse does not hold
(our check also refuses duplicate names and unknown fields), so it is counted but is no fault.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shlex
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import safetensors

from mlxbench import __version__
from mlxbench.checkpoints.headers import DTYPE_BITS, MAX_HEADER_BYTES, Header, read_header
from mlxbench.errors import CheckpointError

KINDS = ("valid", "wrong", "mutant", "mutant")
HUGE = 10**30

Entries = dict[str, Any]
Breaker = Callable[[random.Random, Entries, str, str], None]


def valid_file(rng: random.Random) -> tuple[Entries, int]:
    """A sound header of two or more tensors with bytes in them, and the length of its data."""
    entries: Entries = {}
    if rng.random() < 0.5:
        entries["__metadata__"] = {"format": "mlx", "é": "\n"}
    position = 0
    for index in range(rng.randint(2, 6)):
        dtype = rng.choice(list(DTYPE_BITS))
        # A factor of 4 makes elements of 4 and 6 bits fill whole bytes.
        shape = [rng.randint(1, 4) for _ in range(rng.randint(0, 3))] + [4]
        if index > 1 and rng.random() < 0.2:
            shape.append(0)
        size = prod(shape) * DTYPE_BITS[dtype] // 8
        offsets = [position, position + size]
        name = f"model.layers.{index}.{rng.choice(('weight', 'scales', 'ü', ''))}"
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        position += size
    names = list(entries)
    rng.shuffle(names)
    return {name: entries[name] for name in names}, position


def pack(header: bytes, data_bytes: int) -> bytes:
    """A file of `header` and so many bytes of data."""
    return struct.pack("<Q", len(header)) + header + bytes(data_bytes)


def encode(rng: random.Random, entries: Entries) -> bytes:
    """The JSON of a header, in one of the spellings that writers use."""
    separators = rng.choice([(",", ":"), (", ", ": ")])
    text = json.dumps(entries, ensure_ascii=rng.random() < 0.5, separators=separators)
    return text.encode() + b" " * rng.randint(0, 8)


def _set(key: str, value: Any) -> Breaker:
    def breaker(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
        entries[first][key] = value

    return breaker


def _shift(index: int, by: int) -> Breaker:
    def breaker(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
        entries[first]["data_offsets"][index] += by

    return breaker


def _same_place(_rng: random.Random, entries: Entries, first: str, second: str) -> None:
    entries[second] = json.loads(json.dumps(entries[first]))


def _swap(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
    entries[first]["data_offsets"].reverse()


def _move_all(_rng: random.Random, entries: Entries, _first: str, _second: str) -> None:
    for name, entry in entries.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + 8 for offset in entry["data_offsets"]]


def _drop_tensor(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
    del entries[first]


def _drop_field(rng: random.Random, entries: Entries, first: str, _second: str) -> None:
    del entries[first][rng.choice(["dtype", "shape", "data_offsets"])]


def _bad_metadata(rng: random.Random, entries: Entries, _first: str, _second: str) -> None:
    entries["__metadata__"] = rng.choice([{"format": 1}, [], "mlx", {"a": None}, {"a": {}}, 3])


def _float_offset(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
    entries[first]["data_offsets"][1] += 0.0


def _true_as_one(_rng: random.Random, entries: Entries, first: str, _second: str) -> None:
    entries[first]["shape"].append(True)


BREAKERS: dict[str, Breaker] = {
    "overlap": _same_place,
    "gap": _move_all,
    "tensor without an entry": _drop_tensor,
    "swapped offsets": _swap,
    "begin moved": _shift(0, 1),
    "end moved": _shift(1, -1),
    "end far away": _shift(1, HUGE),
    "negative begin": _shift(0, -(2**40)),
    "missing field": _drop_field,
    "extra field": _set("extra", 1),
    "unknown dtype": _set("dtype", "F7"),
    "dtype of a wrong type": _set("dtype", ["F32"]),
    "other span": _set("shape", [1000003]),
    "huge size": _set("shape", [HUGE]),
    "overflowing shape": _set("shape", [2**62, 2**62, 0]),
    "wrapping shape": _set("shape", [2**32, 2**32, 4]),
    "negative shape": _set("shape", [-1, -4]),
    "shape of a wrong type": _set("shape", {"0": 4}),
    "true as a size": _true_as_one,
    "float offset": _float_offset,
    "three offsets": _set("data_offsets", [0, 1, 2]),
    "bad metadata": _bad_metadata,
}


def _raw_faults(rng: random.Random, header: bytes, data_bytes: int) -> dict[str, bytes]:
    """Faults that no dict can hold: of the bytes, the length and the JSON text."""
    sound = pack(header, data_bytes)
    entry = b'"dtype":"U8","shape":[0],"data_offsets":[0,0]'
    texts = {
        "duplicate name": header.rstrip()[:-1] + b',"x":{%b},"x":{%b}}' % (entry, entry),
        "lone surrogate": header.rstrip()[:-1] + b',"\\ud800":{%b}}' % entry,
        "control character": header.rstrip()[:-1] + b',"\x01":{%b}}' % entry,
        "invalid utf-8": header.rstrip()[:-1] + b',"\xff\xfe":{%b}}' % entry,
        "minus zero": header.rstrip()[:-1] + b',"x":{%b}}' % entry.replace(b"[0]", b"[-0]"),
        "not a number": header.rstrip()[:-1] + b',"x":{%b}}' % entry.replace(b"[0]", b"[NaN]"),
        "exponent": header.rstrip()[:-1] + b',"x":{%b}}' % entry.replace(b"[0]", b"[0e0]"),
        "many digits": header.rstrip()[:-1]
        + b',"x":{%b}}' % entry.replace(b"[0]", b"[1%b]" % (b"0" * 9000)),
        "deep nesting": b'{"a":' * 50_000,
        "deep list": b'{"a":' + b"[" * 100_000,
        "leading space": b" " + header,
        "list": b"[" + header + b"]",
        "no object": b"{" + header,
        "nothing": b"",
    }
    faults = {name: pack(text, data_bytes) for name, text in texts.items()}
    return faults | {
        "trailing bytes": sound + bytes(rng.randint(1, 9)),
        "truncated data": sound[: -rng.randint(1, data_bytes)],
        "truncated header": sound[: rng.randint(0, 7 + len(header))],
        "length over limit": struct.pack("<Q", MAX_HEADER_BYTES + 1) + sound[8:],
        "length over file": struct.pack("<Q", len(sound)) + sound[8:],
        "length of all ones": b"\xff" * 8 + sound[8:],
        "length too short": struct.pack("<Q", len(header.rstrip()) - 1) + sound[8:],
    }


def wrong_file(rng: random.Random) -> tuple[str, bytes]:
    """A file broken in one known way, and the name of that way."""
    entries, data_bytes = valid_file(rng)
    if rng.random() < 0.5:
        return rng.choice(sorted(_raw_faults(rng, encode(rng, entries), data_bytes).items()))
    filled = [n for n, e in entries.items() if n != "__metadata__" and 0 not in e["shape"]]
    way = rng.choice(sorted(BREAKERS))
    BREAKERS[way](rng, entries, *rng.sample(filled, 2))
    return way, pack(encode(rng, entries), data_bytes)


def mutant_file(rng: random.Random) -> tuple[str, bytes]:
    """A valid file with random damage to its length or header."""
    entries, data_bytes = valid_file(rng)
    header = encode(rng, entries)
    damaged = bytearray(pack(header, data_bytes))
    stop = 8 + len(header)
    way = rng.choice(["flipped bits", "digits", "removed", "inserted", "cut"])
    if way == "flipped bits":
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(stop)] ^= 1 << rng.randrange(8)
    elif way == "digits":
        digits = [i for i in range(8, stop) if chr(damaged[i]).isdigit()]
        for place in rng.sample(digits, 2):
            damaged[place] = ord(rng.choice("0123456789"))
    elif way == "cut":
        del damaged[rng.randrange(len(damaged)) :]
    else:
        place = rng.randrange(8, stop)
        if way == "removed":
            del damaged[place]
        else:
            damaged.insert(place, rng.choice(b'{}[]",:0 \\\x00\xff'))
        damaged[:8] = struct.pack("<Q", len(header) + (1 if way == "inserted" else -1))
    return way, bytes(damaged)


def library_view(data: bytes) -> dict[str, tuple[str, tuple[int, ...], int]] | None:
    """Name → (dtype, shape, bytes) as the safetensors library reads it; None if it refuses."""
    try:
        tensors = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError:
        return None
    return {n: (t["dtype"], tuple(t["shape"]), len(t["data"])) for n, t in tensors}


def our_view(header: Header) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """The same as our check reads it."""
    return {n: (t.dtype, t.shape, t.end - t.begin) for n, t in header.tensors.items()}


def judge(kind: str, path: Path, data: bytes) -> str:
    """One word for what happened, and whether it should have."""
    path.write_bytes(data)
    try:
        header = read_header(path)
    except CheckpointError as error:
        if "\n" in str(error):
            return "crashed"
        if kind == "valid":
            return "wrongly refused"
        return "refused" if library_view(data) is None else "refused, library accepts"
    except Exception:  # noqa: BLE001 - any other error is what we look for
        return "crashed"
    if kind == "wrong" or library_view(data) != our_view(header):
        return "wrongly accepted"
    return "accepted"


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Judge `count` files and summarise; the failures are named with their number."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            if kind == "valid":
                entries, data_bytes = valid_file(rng)
                way, data = "valid", pack(encode(rng, entries), data_bytes)
            else:
                way, data = (wrong_file if kind == "wrong" else mutant_file)(rng)
            outcome = judge(kind, Path(folder) / "model.safetensors", data)
            outcomes[outcome] += 1
            kinds[kind] += 1
            if outcome == "crashed" or outcome.startswith("wrongly"):
                faults.append(f"{number}: {kind}, {way}: {outcome}")
    return {
        "n": count,
        "seed": seed,
        "crashes": outcomes["crashed"],
        "wrongly_accepted": outcomes["wrongly accepted"],
        "wrongly_refused": outcomes["wrongly refused"],
        "accepted": outcomes["accepted"],
        "refused": outcomes["refused"],
        "refused_although_the_library_accepts": outcomes["refused, library accepts"],
        "files": dict(sorted(kinds.items())),
        "ways_to_be_wrong": len(BREAKERS) + len(_raw_faults(rng, b"{}", 1)),
        "faults": faults,
        "command": shlex.join(["python", "-m", "benchmarks.fuzz_headers", *sys.argv[1:]]),
        "versions": {
            "mlxbench": __version__,
            "safetensors": safetensors.__version__,
            "python": platform.python_version(),
        },
    }


def main() -> None:
    """Parse, fuzz, print, and leave with 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    summary = json.dumps(fuzz(options.count, options.seed), indent=2)
    print(summary)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(summary + "\n", encoding="utf-8")
    raise SystemExit(1 if json.loads(summary)["faults"] else 0)


if __name__ == "__main__":
    main()
