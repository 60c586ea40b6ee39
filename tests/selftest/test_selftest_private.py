"""Nothing in the file names a person, a machine or a folder."""

from __future__ import annotations

import getpass
import platform
import sys
from pathlib import Path

import pytest

from mlxbench.selftest.private import MOST_CHARACTERS, foreign


@pytest.fixture(autouse=True)
def somebodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/Users/jane.roe")
    monkeypatch.setenv("MLXBENCH_HOME", "/Volumes/Jane Roe's Disk/bench")
    monkeypatch.setenv("HF_HUB_CACHE", "/models/Jane Roe")
    monkeypatch.setattr(sys, "prefix", "/venvs/of Jane")
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
        ("dlopen(/Volumes/Jane's SSD/venv/lib/a.so, 6): no", "dlopen(…/a.so, 6): no"),
        ("dlopen(/Volumes/Jane's SSD/venv/lib/…", "dlopen(…/…"),
        ("tried: '/Volumes/Jane's SSD/a.so' (no), '/Volumes/Jane's SSD/b.so'", "tried: '…/b.so'"),
        ("cannot read file:///Volumes/Secret/x.json", "cannot read file:…/x.json"),
        ("cannot read file:///opt/secret/x.json", "cannot read file:…/x.json"),
        ("cannot read host:/Volumes/Secret/x", "cannot read host:…/x"),
        ("cannot read //Volumes/Secret/x: no", "cannot read …/x: no"),
        ("cannot open /Volumes/Secret", "cannot open …/"),
        ("cannot open '/Volumes/Jane's SSD': no", "cannot open '…/': no"),
        ("cannot open /Users/jane.roe", "cannot open …"),
        ("cannot open /Users/jane: no", "cannot open …/: no"),
        ("cannot open /home/jane/x", "cannot open …/x"),
        ("cannot open /System/Volumes/Data/Users/jane", "cannot open …/"),
        ("clang -I/Users/jane/include -L/Volumes/Secret/lib", "clang -I…/lib"),
        ("clang -O2 -I/opt/secret/include", "clang -O2 -I…/include"),
        ("PATH=/bin:/opt/secret/bin: no", "PATH=…/bin: no"),
        ("cannot open /Volumes/Secret' Disk/x", "cannot open …/x"),
        ("https://example.org/home/jane: 404", "https://example.org…/: 404"),
        ("https://example.org/api: 404", "https://example.org/api: 404"),
        ("no /models/Jane Roe's there", "no …'s there"),
        ("no /models/Jane Roe", "no …"),
        ("in /venvs/of Jane/lib/python3/a.py", "in …/a.py"),
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
