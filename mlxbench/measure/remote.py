"""Targets opened in another process: `Loaded` objects whose work happens in a worker.

A fresh process has a fresh load, which is what sessions are for; and it may be another Python with
other versions of mlx. A worker that dies is a MeasurementError that says how.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import mlxbench
from mlxbench.errors import InputError, MeasurementError
from mlxbench.measure import wire
from mlxbench.records import Checkpoint, Environment, Options, Request, Target, Trial

END_WITHIN_S = 5

# What the worker's interpreter runs. It gets this very mlxbench, whatever it has installed itself,
# and nothing else of ours: with our whole library path it would load our mlx instead of its own.
START = """
import importlib.util, json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
folder = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "mlxbench", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["mlxbench"] = importlib.util.module_from_spec(spec)
try:
    spec.loader.exec_module(sys.modules["mlxbench"])
    from mlxbench.measure.worker import main
except (ImportError, SyntaxError) as error:
    print(json.dumps({
        "problem": sys.executable + " cannot run mlxbench: " + str(error),
        "advice": "install what mlxbench needs there, or give python= another interpreter"}))
else:
    main()
"""


class Worker:
    """A worker process, as a context manager."""

    def __init__(self, python: str | None) -> None:
        folder = str(Path(mlxbench.__file__).parent)
        try:
            self._process = subprocess.Popen(
                [python or sys.executable, "-c", START, folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise InputError(
                f"cannot start {python} ({error.strerror})", "give python= a Python interpreter"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, gently if it listens."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process:
            with suppress(BrokenPipeError):  # what a dead worker did not read is still buffered
                self._process.stdin.close()
            try:
                self._process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def open(self, target: Target) -> RemoteLoaded:
        """Open a target there. Raises what opening it here would raise, or MeasurementError."""
        return RemoteLoaded(self, self.ask({"do": "open", "target": target}))

    def ask(self, request: wire.Line) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it may have said why it ended
            self._process.stdin.write(wire.to_line(request))
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise MeasurementError(
                f"the worker process {self._ending()}", "see its last words above"
            )
        found = _parsed(answer)
        if "problem" in found:
            raise MeasurementError(found["problem"], found["advice"])
        return found

    def _ending(self) -> str:
        try:
            code = self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


class RemoteLoaded:
    """A target that is open in a worker."""

    def __init__(self, worker: Worker, answer: dict[str, Any]) -> None:
        self._worker = worker
        self._index: int = answer["index"]
        self._clock: float = answer["clock"]
        self.load_s: float = answer["load_s"]
        self.checkpoint: Checkpoint | None = wire.checkpoint(answer["checkpoint"])
        self.environment: Environment = wire.environment(answer["environment"])

    def run(self, task: Request, options: Options, seed: int) -> Trial:
        """One trial in the worker."""
        request = {"do": "run", "index": self._index, "seed": seed}
        answer = self._worker.ask({**request, "task": task, "options": options})
        self._clock = answer["clock"]
        return wire.trial(answer["trial"])

    def clock(self) -> float:
        """The worker's clock as of the latest trial."""
        return self._clock

    def close(self) -> None:
        """Close it there: a server has to be left as it was. A dead worker has nothing to close."""
        with suppress(MeasurementError):
            self._worker.ask({"do": "close", "index": self._index})


def _parsed(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise MeasurementError(
            f"the worker process answered {answer[:40].strip()!r}",
            "give python= a Python interpreter",
        )
    return found
