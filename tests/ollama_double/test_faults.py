"""Each fault does what its name says, seen at the level of bytes."""

from __future__ import annotations

import json
import math
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.ollama_double import (
    FAULTS,
    Behaviour,
    Canned,
    OllamaDouble,
    body,
    damaged_body,
)
from tests.ollama_double.client import ask, error, messages, post, raw_socket, request
from tests.ollama_double.faults import DURATIONS, ESCAPES, METRICS
from tests.ollama_double.golang import FOR_EVER_NS

FAST = Behaviour("0.24.0", token_s=0.0, load_s=0.0)
PACED = Behaviour("0.24.0")  # bytes without a server take no time at any pace
GOOD = messages(body(PACED, request()))


def damaged(fault: str) -> bytes:
    """The body of a reply to `request()`."""
    return damaged_body(replace(PACED, fault=fault), request())


def last(fault: str) -> dict[str, Any]:
    """The last message of such a reply, of which the others are as they should be."""
    reply = messages(damaged(fault))
    assert reply[:-1] == GOOD[:-1]
    return reply[-1]


def received(fault: str, patience_s: float = 10.0, **more: Any) -> tuple[bytes, str]:
    """What comes over the connection, and how it ends: closed, reset or silent."""
    with OllamaDouble(replace(FAST, fault=fault, **more)) as double:
        connection = raw_socket(double, request())
        try:
            return _read(connection, patience_s)
        finally:
            connection.close()


def _read(connection: socket.socket, patience_s: float) -> tuple[bytes, str]:
    data, deadline = b"", time.monotonic() + patience_s
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            more = connection.recv(1 << 16)
        except ConnectionResetError:
            return data, "reset"
        except TimeoutError:
            break
        if not more:
            return data, "closed"
        data += more
    return data, "silent"


def lines_of(data: bytes) -> list[bytes]:
    """The lines within a chunked reply, whether or not its last chunk came."""
    _, _, rest = data.partition(b"\r\n\r\n")
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found.splitlines(keepends=True)


def test_every_fault_is_described_and_is_damage_or_a_takeover() -> None:
    for name, fault in FAULTS.items():
        assert fault.says
        assert (fault.damage is None) != (fault.takeover is None) or name == "canned"


def test_damage_over_http_is_the_damage_as_bytes() -> None:
    with OllamaDouble(FAST) as double:
        for name, fault in FAULTS.items():
            if fault.damage is None or fault.ending != "proper" or name == "giant_body":
                continue
            double.behaviour = replace(FAST, fault=name)
            sent = ask(double, "POST", "/api/generate", request())[2]
            assert len(sent.splitlines()) == len(damaged(name).splitlines()), name


# The connection.


@pytest.mark.parametrize(
    ("fault", "head", "drop"),
    [
        ("drip_headers", b"HTTP/1.1 200 OK\r\nX-Padding: ", b"a"),
        ("drip_feed", b'{"model":"m","response":"', b"a"),
        ("drip_newlines", b"\r\n\r\n", b"\n"),
    ],
)
def test_a_drip_feed_goes_on_byte_by_byte(fault: str, head: bytes, drop: bytes) -> None:
    data, end = received(fault, 0.3)
    _, found, drops = data.rpartition(head)
    assert found
    assert end == "silent"
    assert set(drops) == set(drop)
    assert 1 < len(drops) < 60


def test_a_stall_says_nothing_at_all() -> None:
    assert received("stall", 0.05) == (b"", "silent")


def test_a_stall_after_the_headers_says_no_more() -> None:
    data, end = received("stall_body", 0.3)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (data[-4:], end) == (b"\r\n\r\n", "silent")


def test_a_stall_in_the_stream_follows_half_of_it() -> None:
    data, end = received("stall_stream", 0.4)
    assert (len(lines_of(data)), end) == (2, "silent")


def test_a_stalled_stream_frees_the_server_when_the_client_goes() -> None:
    with OllamaDouble(FAST) as double:
        double.upcoming.append(replace(FAST, fault="stall_stream"))
        connection = raw_socket(double, request())
        connection.recv(1)
        connection.close()
        assert post(double, request(stream=False))["eval_count"] == 4


def test_a_truncated_reply_breaks_off_within_a_line() -> None:
    data, end = received("truncated")
    *whole, cut = lines_of(data)
    assert [json.loads(line)["done"] for line in whole] == [False] * 4
    assert not cut.endswith(b"\n")
    assert cut.startswith(b'{"model"')
    assert (data.endswith(b"0\r\n\r\n"), end) == (False, "closed")


def test_a_cut_line_ends_in_good_order() -> None:
    with OllamaDouble(replace(FAST, fault="cut_line")) as double:
        sent = ask(double, "POST", "/api/generate", request())[2]
    assert len(sent.splitlines()) == 5
    assert not sent.endswith(b"\n")


def test_a_server_that_dies_resets_the_connection() -> None:
    data, end = received("dies")
    assert end == "reset"
    assert b"0\r\n\r\n" not in data
    assert len(lines_of(data)) <= 2


def test_a_redirect_leads_to_where_it_was_told() -> None:
    data, _ = received("redirect", redirect_to="http://127.0.0.2:1/x")
    assert data.startswith(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/x\r\n")


def test_giants_are_as_big_as_promised() -> None:
    line = damaged("giant_line")
    assert len(line.splitlines()[0]) > 1 << 20
    assert messages(line)[1:] == GOOD
    with OllamaDouble(replace(FAST, fault="giant_body")) as double:
        sent = ask(double, "POST", "/api/generate", request())[2]
    assert len(sent) > 64 << 20
    assert len(sent[: sent.index(b"\n")]) < 2_000
    assert json.loads(sent[sent.rindex(b"\n", 0, -1) :])["done"] is True


# Answers that are no replies.


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("not_json", 200, "text/html; charset=utf-8"),
        ("error_without_text", 500, "application/json; charset=utf-8"),
        ("error_status", 500, "application/json; charset=utf-8"),
        ("busy", 503, "application/json; charset=utf-8"),
        ("not_found", 404, "application/json; charset=utf-8"),
    ],
)
def test_statuses_are_as_named(fault: str, status: int, content_type: str) -> None:
    with OllamaDouble(replace(FAST, fault=fault)) as double:
        found, headers, _ = ask(double, "POST", "/api/generate", request())
    assert (found, headers["Content-Type"]) == (status, content_type)


def test_errors_say_what_they_should() -> None:
    with OllamaDouble(replace(FAST, fault="not_found")) as double:
        assert error(double, request()) == (404, "model 'qwen3:tiny' not found")
        double.behaviour = replace(FAST, fault="escapes")
        assert error(double, request()) == (500, ESCAPES)
        double.behaviour = replace(FAST, fault="not_json")
        assert ask(double, "POST", "/api/generate", request())[2].startswith(b"<!DOCTYPE html>")


def test_a_secret_is_echoed() -> None:
    with OllamaDouble(replace(FAST, fault="secret_echo")) as double:
        headers = {"Authorization": "Bearer s3cret"}
        status, _, sent = ask(double, "POST", "/api/generate", request("my prompt"), **headers)
    assert status == 401
    assert "my prompt" in json.loads(sent)["error"]
    assert "Bearer s3cret" in json.loads(sent)["error"]


def test_bodies_that_hold_no_messages() -> None:
    assert damaged("json_not_object") == b"[1,2,3]\n"
    assert damaged("empty_body") == b""
    assert damaged("not_json_stream").startswith(b"<!DOCTYPE html>")


# Messages.


def test_messages_are_lost_or_come_twice() -> None:
    assert messages(damaged("no_done")) == GOOD[:-1]
    assert messages(damaged("duplicate_done")) == [*GOOD, GOOD[-1]]
    assert messages(damaged("goes_on")) == [*GOOD, GOOD[0]]


def test_an_error_in_the_stream_follows_half_of_it() -> None:
    assert messages(damaged("error_in_stream"))[:2] == GOOD[:2]
    assert list(messages(damaged("error_in_stream"))[2]) == ["error"]
    assert messages(damaged("escapes_in_stream"))[2] == {"error": ESCAPES}


@pytest.mark.parametrize(
    ("fault", "value"),
    [("negative_duration", -1), ("zero_duration", 0), ("huge_duration", FOR_EVER_NS)],
)
def test_all_durations_are_wrong(fault: str, value: int) -> None:
    assert last(fault) == GOOD[-1] | dict.fromkeys(DURATIONS, value)


def test_nan_is_written_as_no_json_allows() -> None:
    assert b'"eval_duration":NaN' in damaged("nan_duration")
    assert math.isnan(last("nan_duration")["total_duration"])


def test_counts_are_wrong() -> None:
    assert last("string_count")["eval_count"] == "12"
    assert last("fractional_count")["eval_count"] == 12.5
    assert last("wrong_prompt_count")["prompt_eval_count"] == GOOD[-1]["prompt_eval_count"] + 7
    assert last("wrong_eval_count")["eval_count"] == 7
    assert last("cache_hit")["prompt_eval_cached_count"] == 1


def test_metrics_are_missing() -> None:
    assert set(GOOD[-1]) - set(last("missing_metrics")) == set(METRICS)
    assert set(GOOD[-1]) - set(last("no_eval_duration")) == {"eval_duration"}


@pytest.mark.parametrize(
    ("fault", "reason", "count"), [("early_stop", "stop", 3), ("context_shift", "length", 2)]
)
def test_a_reply_ends_early(fault: str, reason: str, count: int) -> None:
    reply = messages(damaged(fault))
    assert reply[:-1] == GOOD[:2]
    assert (reply[-1]["done_reason"], reply[-1]["eval_count"]) == (reason, count)


def test_times_are_missing_or_run_backwards() -> None:
    assert all("created_at" not in one for one in messages(damaged("missing_created_at")))
    times = [one["created_at"] for one in GOOD]
    found = [one["created_at"] for one in messages(damaged("created_at_backwards"))]
    assert found == times[::-1] != times
    assert last("created_at_no_time")["created_at"] == "soon"


def test_bytes_that_are_no_utf8_stand_in_a_string() -> None:
    first, *rest = damaged("invalid_utf8").splitlines()
    with pytest.raises(UnicodeDecodeError):
        first.decode()
    assert "\ufffd" in json.loads(first.decode("utf-8", "replace"))["response"]
    assert [json.loads(line) for line in rest] == GOOD[1:]


# Where faults happen.


def test_a_fault_happens_only_where_it_was_told_to() -> None:
    behaviour = replace(FAST, fault="error_status", fault_at=frozenset({"ps", "load"}))
    with OllamaDouble(behaviour) as double:
        assert ask(double, "GET", "/api/ps")[0] == 500
        assert ask(double, "POST", "/api/generate", {"model": "qwen3:tiny"})[0] == 500
        assert ask(double, "POST", "/api/generate", request())[0] == 200
        assert ask(double, "GET", "/api/version")[0] == 200


def test_a_mistake_of_the_double_is_not_hidden() -> None:
    behaviour = replace(FAST, fault="no_done", fault_at=frozenset({"ps"}))
    with pytest.raises(ValueError, match="only for replies"), OllamaDouble(behaviour) as double:
        received_nothing = raw_socket(double, {}, "/api/ps")
        received_nothing.close()
        with suppress(ConnectionError):
            ask(double, "GET", "/api/ps")


def test_canned_bytes_are_sent_as_they_are() -> None:
    canned = Canned(418, (("Content-Type", "x/y"), ("X-A", "b")), b"\x00\xff{")
    with OllamaDouble(replace(FAST, fault="canned", canned=canned)) as double:
        status, headers, sent = ask(double, "POST", "/api/generate", request())
    assert (status, headers["X-A"], sent) == (418, "b", b"\x00\xff{")
