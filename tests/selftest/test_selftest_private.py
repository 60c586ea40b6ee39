"""Nothing in the file names a person, a machine or a folder."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path

import pytest

from mlxbench.selftest.private import MOST_CHARACTERS, foreign


@pytest.fixture(autouse=True)
def somebodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/Users/jane.roe")
    monkeypatch.setenv("MLXBENCH_HOME", "/Volumes/Jane Roe's Disk/bench")
    monkeypatch.setenv("HF_TOKEN", "token-canary")
    monkeypatch.setattr(platform, "node", lambda: "Janes-Studio.local")
    monkeypatch.setattr(getpass, "getuser", lambda: "jane.roe")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cannot open /Users/jane.roe/models/a.json", "cannot open …/a.json"),
        ("cannot open /Users/jane.roe/Desk top/a.json", "…/a.json"),
        ("clang: /private/var/folders/x9/secret/T/k.cpp:7: error: no", "…/k.cpp:7: error: no"),
        ("no '/Volumes/Jane Roe's Disk/bench/cache/x' there", "no '…/x' there"),
        ("host Janes-Studio.local and JANES-STUDIO", "host *** and ***"),
        ("user jane.roe", "user ***"),
        ("hf_abcDEF123 and token-canary", "*** and ***"),
        ("ratio 3/4 of N/M tokens, 1/2", "ratio 3/4 of N/M tokens, 1/2"),
        ("two\nlines\tof it", "two lines of it"),
    ],
)
def test_foreign_words_lose_their_names(text: str, kept: str) -> None:
    found = foreign(text)
    assert kept in found
    for secret in ("jane", "roe", "secret", "studio", "canary", "hf_"):
        assert secret not in found.lower()


def test_a_long_message_is_cut() -> None:
    assert len(foreign("x " * 5000)) == MOST_CHARACTERS
