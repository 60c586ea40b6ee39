"""Reads the texts under `recorded/`; its README says where they come from."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
