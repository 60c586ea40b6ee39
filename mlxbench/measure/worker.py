"""A worker process: opens targets and runs trials for the measurement that started it.

It reads one JSON request a line from stdin and answers each with one line on what was its stdout;
whatever libraries print goes to stderr. It ends when stdin does, so it never outlives the
measurement. Ctrl-C is left to that one: see `remote.START`.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

from mlxbench import engines
from mlxbench.engines.protocol import Loaded
from mlxbench.errors import MlxbenchError
from mlxbench.measure import wire
from mlxbench.measure.opening import environment_of
from mlxbench.records import Probe
from mlxbench.store.codec import options_from_json, task_from_json

Message = dict[str, Any]


def main() -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    opened: list[Loaded] = []
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, requests, opened), daemon=True).start()
    while True:
        request = requests.get()
        try:
            answer = _answer(request, opened)
        except MlxbenchError as error:
            answer = {"problem": error.problem, "advice": error.advice}
        answers.write(wire.to_line(answer))
        answers.flush()


def _read(stdin: IO[str], requests: queue.SimpleQueue[Message], opened: Sequence[Loaded]) -> None:
    """Queue requests; when the measurement is gone, be gone too, even in the middle of a trial.

    Servers are left as they were found; what is in this process ends with it.
    """
    for line in stdin:
        requests.put(json.loads(line))
    for loaded in opened:
        if loaded.checkpoint is not None and loaded.checkpoint.source == "server":
            loaded.close()
    os._exit(0)


def _answer(request: Message, opened: list[Loaded]) -> Message:
    if request["do"] == "open":
        return _open(request, opened)
    loaded = opened[request["index"]]
    if request["do"] == "close":
        loaded.close()
        return {}
    task, options = task_from_json(request["task"]), options_from_json(request["options"])
    assert not isinstance(task, Probe), "the parent asks for one reply at a time"
    trial = loaded.run(task, options, request["seed"])
    return {"trial": wire.trial_message(trial), "clock": loaded.clock()}


def _open(request: Message, opened: list[Loaded]) -> Message:
    target = wire.target(request["target"])
    loaded, load_s = engines.timed_open(target)
    opened.append(loaded)
    return {
        "index": len(opened) - 1,
        "load_s": load_s,
        "clock": loaded.clock(),
        "checkpoint": loaded.checkpoint,
        "environment": environment_of(target),
    }
