"""What a server writes where a number or a text should be."""

from __future__ import annotations

from typing import Any

import pytest

from mlxbench.http_client import ServerFault
from mlxbench.http_client.numbers import count, nanoseconds, parse, text


@pytest.mark.parametrize("value", [-1, 1.5, True, "7", [], {}, 2**31, 10**400])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ServerFault, match="which is no count"):
        count({"n": value}, "n")


def test_counts_may_be_absent_or_zero() -> None:
    assert (count({}, "n"), count({"n": None}, "n"), count({"n": 0}, "n")) == (None, None, 0)


@pytest.mark.parametrize("value", [-1, "7", True, 1e300, 10**40, 10**400, []])
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(ServerFault, match="which is no duration"):
        nanoseconds({"t": value}, "t")


def test_infinite_numbers_are_refused_however_they_are_written() -> None:
    written = parse(b'{"t": 1e999}', "it")
    with pytest.raises(ServerFault, match="no duration"):
        nanoseconds(written, "t")


def test_nanoseconds_become_seconds() -> None:
    assert nanoseconds({"t": 1_500_000_000}, "t") == pytest.approx(1.5)
    assert nanoseconds({}, "t") is None


def test_text_can_always_be_written() -> None:
    half = parse(b'{"s": "a\\ud800b"}', "it")
    assert text(half, "s") == "a?b"
    assert text({}, "s") == ""
    with pytest.raises(ServerFault, match="no text"):
        text({"s": 3}, "s")


def test_a_million_brackets_are_no_traceback() -> None:
    with pytest.raises(ServerFault, match="no JSON object"):
        parse(b'{"a":' + b"[" * 1_000_000, "it")
