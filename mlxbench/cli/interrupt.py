"""Ctrl-C that works within two seconds, even inside a long evaluation on the device.

Python runs its signal handlers between bytecodes, and one forward of a large prompt can keep the
main thread inside MLX for many seconds. The C-level handler, however, writes to a pipe at once, and
a thread reads it: if the main thread has not ended the process in time by itself, the thread
records the broken-off trial and ends it. A second Ctrl-C ends it at once.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlxbench.errors import EXIT_INTERRUPTED

GRACE_S = 1.2
SHOW_CURSOR = b"\x1b[?25h\r\x1b[K"  # a live display hid it and cannot show it any more
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def prompt_exit(on_deadline: Callable[[], None]) -> Iterator[None]:
    """While the block runs, an interrupt ends the process within about `GRACE_S`.

    SIGTERM and SIGHUP count as one: a closed terminal must not leave a run that seems to go on.

    `on_deadline` runs in another thread, and only if the main thread is stuck.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = [signal.signal(ending, _interrupt) for ending in ENDING[1:]]
    finished = threading.Event()
    thread = threading.Thread(target=_watch, args=(reader, finished, on_deadline), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        signal.set_wakeup_fd(before)
        for ending, handler in zip(ENDING[1:], handlers, strict=True):
            signal.signal(ending, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _watch(reader: int, finished: threading.Event, on_deadline: Callable[[], None]) -> None:
    while os.read(reader, 1)[0] not in ENDING:
        continue
    again, _, _ = select.select([reader], [], [], GRACE_S)
    try:
        if not again and not finished.is_set():
            on_deadline()
    finally:
        os.write(2, SHOW_CURSOR if os.isatty(2) else b"")
        os.write(2, b"error: interrupted; what was measured so far is kept\n")
        os._exit(EXIT_INTERRUPTED)
