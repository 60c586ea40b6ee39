"""Numbers as people read them: the only place where SI units turn into tok/s, ms and GiB text."""

from __future__ import annotations

GIB = 1 << 30
MISSING = "–"


def rate(value: float | None) -> str:
    """Tokens per second to four significant digits, as many as the intervals deserve."""
    if value is None:
        return MISSING
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """`71.9–72.3`; a bound that does not exist is left open."""
    if low is None and high is None:
        return MISSING
    return f"{rate(low)}–{rate(high) if high is not None else '∞'}"


def half_width(relative: float | None) -> str:
    """Half an interval's width over its value: `1.9 %`."""
    if relative is None:
        return MISSING
    percent = 100 * relative
    return f"{percent:.0f} %" if percent >= 99.5 else f"{percent:.2g} %"


def memory(size: int | None) -> str:
    """Bytes of memory as GiB, or as MiB below a tenth of one."""
    if size is None:
        return MISSING
    return f"{size / GIB:.2f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"


def gigabytes(size: int | None) -> str:
    """Bytes as decimal GB, the unit of files and downloads, or as MB below a tenth of one."""
    if size is None:
        return MISSING
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds to three significant digits."""
    if seconds is None:
        return MISSING
    value = seconds * 1e3
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str) -> str:
    """`1 model`, `3 models`, `1,449 models`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def significant(value: float) -> str:
    """Three significant digits, and all those before the point: `0.00231`, `4.09`, `1,892`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
