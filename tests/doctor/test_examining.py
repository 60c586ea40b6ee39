"""All topics together: what blocks, what is shown, and what must never be."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from mlxbench import registry
from mlxbench.doctor import STATUSES, Finding, Machine, blocking, examine, read
from mlxbench.environment.gpu_users import GpuUse, GpuUser
from mlxbench.errors import InputError
from mlxbench.report.doctor import findings_table, verdict
from mlxbench.store import Store
from tests.doctor.machines import IDLE_LINUX, IDLE_MAC, RECORDED_MAC, by_topic, nvidia, stalled

MODELS = registry.load()
NOWHERE = "127.0.0.1:9"  # the port of discard, where nothing answers


@pytest.fixture(autouse=True)
def no_ollama(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)


def examined(machine: Machine, folder: Path, name: str | None = None) -> list[Finding]:
    """The findings, with a lock and a store of the test's own."""
    return examine(
        machine, folder / "r.sqlite", MODELS, "clang 19", name, lock_path=folder / "lock"
    )


def test_a_mac_at_rest_is_ready_even_by_the_strict_rule(tmp_path: Path) -> None:
    found = [one for one in examined(IDLE_MAC, tmp_path) if one.topic != "checkpoint-cache"]

    assert blocking(found, strict=True) == []
    assert {one.status for one in found} == {"ok"}
    assert verdict(found) == "ready to measure"


def test_a_mac_on_a_bad_day_is_ready_with_warnings_and_not_by_the_strict_rule(
    tmp_path: Path,
) -> None:
    found = examined(RECORDED_MAC, tmp_path)

    assert blocking(found) == []
    assert {one.topic for one in blocking(found, strict=True)} >= {
        "gpu-users",
        "thermal",
        "power",
        "low-power-mode",
        "memory-pressure",
        "memory",
        "swap",
    }
    assert verdict(found).startswith("ready to measure, and figures will be worth more without: ")
    assert verdict(found, strict=True).startswith("not ready: ")
    assert all(one.advice for one in found if one.status == "warning")


def test_what_makes_a_measurement_impossible_blocks(tmp_path: Path) -> None:
    Store.open(tmp_path / "r.sqlite").close()
    bare = replace(IDLE_LINUX, environment=replace(IDLE_LINUX.environment, versions={}))

    found = examine(bare, tmp_path, MODELS, None, "qwen3-235b-a22b", lock_path=tmp_path)

    topics = {one.topic for one in blocking(found)}
    assert topics == {"mlx", "mlx-lm", "store", "lock", "model-files", "model-memory"}
    assert verdict(found).startswith("not ready: mlx, mlx-lm, lock, store")


def test_this_machine_is_examined_each_topic_once(tmp_path: Path) -> None:
    found = by_topic(examined(read(), tmp_path, "tiny-moe"))

    expected = {"python", "mlx", "mlx-lm", "backend", "variables", "clang", "lock", "ollama"}
    expected |= {"load", "memory", "swap", "models", "store", "checkpoint-cache"}
    assert expected | {"model-files", "model-memory"} <= set(found)
    assert blocking(found.values()) == []


def test_nothing_that_names_a_person_or_opens_an_account_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, token = tmp_path / "canaryhome", "hf_canaryCanaryCanary1"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_TOKEN", "canaryplain")
    users = GpuUse(users=(GpuUser(token, 0.5), GpuUser(f"{home}/x", 0.4)))
    machine = replace(RECORDED_MAC, gpu=users)

    (home / "r.sqlite").mkdir()
    found = examined(machine, home) + examined(replace(IDLE_LINUX, gpu=nvidia()), home)

    text = json.dumps([asdict(one) for one in found])
    assert "~/r.sqlite" in text
    assert "canary" not in text.lower()


def rendered(found: list[Finding], width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False).print(findings_table(found))
    return out.getvalue()


def test_what_needs_action_comes_first_and_fits_a_terminal(tmp_path: Path) -> None:
    found = examined(replace(RECORDED_MAC, gpu=nvidia(), stalls=stalled()), tmp_path)
    found.append(Finding("made-up", "problem", "it is broken " * 20, "mend it"))

    shown = rendered(found)

    assert max(map(len, shown.splitlines())) <= 80
    order = [shown.index(word) for word in ("PROBLEM", "warning", "\nok ")]
    assert order == sorted(order)
    assert "→ mend it" in shown
    for one in found:
        assert one.topic in shown


def test_text_from_outside_cannot_move_the_cursor_or_add_lines() -> None:
    shown = rendered([Finding("ollama", "warning", "\x1b[2Ja\nb\u202e", "[bold]c\r\x9bd")])

    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(shown)
    assert "[bold]c" in shown


def test_the_statuses_are_ordered_by_what_needs_action() -> None:
    assert STATUSES[0] == "problem"
    assert STATUSES[-1] == "ok"
    assert rendered([]).count("\n") <= 3


def test_a_wrong_address_or_name_is_refused(tmp_path: Path) -> None:
    store, lock = tmp_path / "r.sqlite", tmp_path / "lock"
    with pytest.raises(InputError, match="not on this machine"):
        examine(IDLE_MAC, store, MODELS, None, url="example.org", lock_path=lock)
    with pytest.raises(InputError, match="no model named"):
        examine(IDLE_MAC, store, MODELS, None, name="qwen", lock_path=lock)
    assert not store.exists()
