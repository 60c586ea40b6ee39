"""What goes into the store comes out equal, and what cannot be measured never goes in."""

from __future__ import annotations

import collections.abc
import random
import struct
import types
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from mlxbench.records import Completed, Environment, Failed, Run
from mlxbench.store import Store
from mlxbench.store.codec import (
    pack_stamps,
    pack_tokens,
    to_json,
    unpack_stamps,
    unpack_tokens,
)
from tests.store.store_samples import a_run, a_trial

STRINGS = ("", "plain", "naïve 模型 🎲", "two\nlines\ttab", "nul\0inside", "'; DROP TABLE runs; --")
FLOATS = (0.0, -0.0, 0.1, 1e-300, 1.7e308, -2.5)
INTEGERS = (0, 1, -1, 151_935, 2**31 - 1)


def draw_value(kind: Any, draw: random.Random) -> Any:
    """A random value of the annotated type, so that a new field is tested without being named."""
    if is_dataclass(kind):
        return draw_record(kind, draw)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return draw.choice(arguments)
    if origin in (Union, types.UnionType):
        return draw_value(draw.choice(arguments), draw)
    if origin is tuple:
        return tuple(draw_value(arguments[0], draw) for _ in range(draw.randrange(4)))
    if origin is collections.abc.Mapping:
        return {draw.choice(STRINGS): draw_value(arguments[1], draw) for _ in range(3)}
    if kind is Any:
        return draw.choice([None, True, 4, 0.5, "mode", [1, "x"], {"bits": 4, "group_size": 64}])
    choices: dict[Any, tuple[Any, ...]] = {
        str: STRINGS,
        float: FLOATS,
        int: INTEGERS,
        bool: (True, False),
        types.NoneType: (None,),
    }
    return draw.choice(choices[kind])


def draw_record(kind: Any, draw: random.Random) -> Any:
    hints = get_type_hints(kind)
    return kind(**{field.name: draw_value(hints[field.name], draw) for field in fields(kind)})


def draw_run(number: int, draw: random.Random) -> Run:
    run = draw_record(Run, draw)
    assert isinstance(run, Run)
    trials = tuple(replace(record, sequence=place) for place, record in enumerate(run.trials))
    return replace(run, run_id=f"run-{number:04d}", trials=trials)


def test_random_runs_with_every_field_come_back_equal(tmp_path: Path) -> None:
    draw = random.Random(20261123)
    runs = [draw_run(number, draw) for number in range(300)]
    with Store.open(tmp_path / "store.sqlite") as store:
        for run in runs:
            store.add_run(run)
        assert [store.run(run.run_id) for run in runs] == runs
        listed = {run.run_id: run for run in store.runs()}
    assert listed == {run.run_id: replace(run, trials=()) for run in runs}
    trials = [record.trial for run in runs for record in run.trials]
    assert {type(trial) for trial in trials} == {Completed, Failed}


def test_integers_and_floats_keep_their_types(tmp_path: Path) -> None:
    trial = a_trial(0).trial
    assert isinstance(trial, Completed)
    record = replace(a_trial(0), trial=replace(trial, native={"count": 3, "rate": 3.0}))
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run(trials=(record,)))
        (found,) = store.run(a_run().run_id).trials
    assert isinstance(found.trial, Completed)
    assert [type(value) for value in found.trial.native.values()] == [int, float]


def test_read_only_mappings_are_stored_like_plain_ones(tmp_path: Path) -> None:
    environment = Environment(versions=types.MappingProxyType({"mlx": "0.32.4"}))
    run = replace(a_run(), environment=environment)
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(run)
        assert store.run(run.run_id).environment.versions == {"mlx": "0.32.4"}


def test_a_command_with_a_file_name_that_is_not_utf8_is_stored_with_the_byte_escaped(
    tmp_path: Path,
) -> None:
    run = replace(a_run(), command="mlxbench decode --model caf\udce9")
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(run)
        assert store.run(run.run_id).command == "mlxbench decode --model caf\\udce9"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", ["stamps", "duration_s", "native"])
def test_a_number_that_is_not_finite_is_a_bug_and_leaves_nothing_behind(
    tmp_path: Path, place: str, value: float
) -> None:
    trial = a_trial(0).trial
    assert isinstance(trial, Completed)
    if place == "stamps":
        bad = replace(trial, stamps=(0.5, value))
    elif place == "duration_s":
        bad = replace(trial, duration_s=value)
    else:
        bad = replace(trial, native={"rate": value})
    with Store.open(tmp_path / "store.sqlite") as store:
        store.add_run(a_run())
        with pytest.raises(AssertionError):
            store.add_trial(a_run().run_id, replace(a_trial(0), trial=bad))
        assert store.run(a_run().run_id).trials == ()
        store.add_trial(a_run().run_id, a_trial(0))  # and the store goes on working


def test_stamps_are_little_endian_doubles() -> None:
    assert pack_stamps((1.0, -2.0)) == bytes.fromhex("000000000000f03f 00000000000000c0")
    assert unpack_stamps(pack_stamps((0.1, 0.2, 0.3))) == (0.1, 0.2, 0.3)
    assert unpack_stamps(b"") == ()


def test_tokens_are_little_endian_integers_after_the_number_and_lengths_of_the_rows() -> None:
    rows = ((5, 6, 7), (), (256,))
    assert pack_tokens(rows) == struct.pack("<8i", 3, 3, 0, 1, 5, 6, 7, 256)
    assert unpack_tokens(pack_tokens(rows)) == rows
    assert unpack_tokens(pack_tokens(())) == ()


def test_json_has_sorted_keys_so_that_equal_records_give_equal_text() -> None:
    assert to_json({"b": 1, "a": {"d": 2, "c": 3}}) == '{"a": {"c": 3, "d": 2}, "b": 1}'


def test_a_value_that_no_record_may_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no place in a record"):
        to_json({"versions": {1, 2}})


def test_the_random_generator_reaches_every_field_of_every_record() -> None:
    draw = random.Random(1)
    seen: set[tuple[str, str]] = set()
    expected: set[tuple[str, str]] = set()

    def visit(value: object) -> None:
        if is_dataclass(value):
            name = type(value).__name__
            expected.update((name, field.name) for field in fields(value))
            for field in fields(value):
                inner = getattr(value, field.name)
                if inner not in (None, (), {}, "", 0, False):
                    seen.add((name, field.name))
                visit(inner)
        elif isinstance(value, tuple):
            for inner in typing.cast("tuple[object, ...]", value):
                visit(inner)

    for number in range(300):
        visit(draw_run(number, draw))
    assert seen == expected
