"""Sizes as the doctor says them: memory in GiB, disks and downloads in decimal GB."""

from __future__ import annotations

GIB, MIB, GB = 1 << 30, 1 << 20, 1_000_000_000


def in_gib(size: int) -> str:
    """Bytes of memory; two decimals, so that what just does not fit looks larger."""
    return f"{size / GIB:.2f} GiB"


def in_gb(size: int) -> str:
    """Bytes as decimal GB, the unit of disks; MB where there is little."""
    return f"{size / GB:.1f} GB" if size >= GB // 10 else f"{size / 1e6:.1f} MB"
