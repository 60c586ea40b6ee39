"""The text of a simulated arm: every key is read, and whatever is wrong is named in one line."""

from __future__ import annotations

import pytest

from mlxbench.engines.sim import __doc__ as package_docstring
from mlxbench.engines.sim.spec import EXAMPLE, KEYS, Spec, parse
from mlxbench.errors import InputError


def test_an_arm_needs_nothing_but_its_itl() -> None:
    assert parse("itl=0.010") == Spec(itl_s=0.010)


def test_every_key_is_read_into_its_field() -> None:
    text = (
        "itl=0.02,prefill=0.001,machine=hostile/12,load=5,load_cv=0.003,carry=0.1,"
        "fail=0.25,crash_at=3,stop_at=7,memory=1000"
    )

    assert {part.partition("=")[0] for part in text.split(",")} == set(KEYS)
    assert parse(text) == Spec(
        itl_s=0.02,
        prefill_s=0.001,
        machine="hostile/12",
        load_s=5.0,
        load_cv=0.003,
        carry=0.1,
        fail=0.25,
        crash_at=3,
        stop_at=7,
        memory_bytes=1000,
    )


def test_the_order_of_keys_does_not_matter_and_the_example_is_valid() -> None:
    assert parse("machine=typical/3,itl=0.010") == parse(EXAMPLE)


def test_the_docstring_explains_every_key() -> None:
    assert package_docstring is not None
    explained = [line.split()[0] for line in package_docstring.splitlines() if line.split()]
    assert [key for key in KEYS if key not in explained] == []


def test_an_unknown_key_is_refused_with_the_list_of_keys() -> None:
    with pytest.raises(InputError) as raised:
        parse("itl=0.01,speed=3")
    assert str(raised.value) == (
        "a simulated arm has no key 'speed'; use itl, prefill, machine, load, load_cv, carry, "
        "fail, crash_at, stop_at, memory"
    )


@pytest.mark.parametrize("text", ["", "machine=quiet/1"])
def test_an_arm_without_itl_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"has no itl; write, say, itl=0\.010,machine=typical/3"):
        parse(text)


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^itl is given twice in 'itl=1,itl=2'; give it once$"):
        parse("itl=1,itl=2")


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("itl", ""),
        ("itl", "0"),
        ("itl", "-1"),
        ("itl", "fast"),
        ("itl", "nan"),
        ("itl", "inf"),
        ("prefill", "0"),
        ("load", "-1"),
        ("load_cv", "2"),
        ("carry", "1.5"),
        ("fail", "-0.1"),
        ("fail", "1.1"),
        ("crash_at", "-1"),
        ("crash_at", "1.5"),
        ("stop_at", "0"),
        ("memory", "1GiB"),
        ("machine", "typical"),
        ("machine", "typical/"),
        ("machine", "typical/-1"),
        ("machine", "typical/03"),
        ("machine", "loud/3"),
        ("machine", "typical/3\n"),
    ],
)
def test_a_bad_value_is_refused_with_what_would_be_allowed(key: str, raw: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(f"{key}={raw}")
    assert str(raised.value) == f"{raw!r} is no {key}; write {key}= and {KEYS[key].allowed}"
    assert "\n" not in str(raised.value)


def test_what_a_key_allows_is_said_in_words() -> None:
    assert KEYS["itl"].allowed == "a number of seconds from 1e-06 to 3600"
    assert KEYS["stop_at"].allowed == "a whole number from 1 to 1000000000"
    assert KEYS["machine"].allowed == "one of ideal, quiet, typical, hostile, then / and a number"
