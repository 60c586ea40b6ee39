"""Only the model under test is loaded while it is measured, and afterwards all is as it was.

Another loaded model takes memory and perhaps the accelerator. Whoever loaded it may want it, so it
is unloaded only where that was allowed, and loaded again afterwards for the rest of its time. The
model under test is kept loaded while it is measured; afterwards it gets the rest of its own time
back, or is unloaded if it was not loaded before.

What cannot be restored: the options that another client loaded a model with, but for its context
length in versions that tell it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from mlxbench.engines.ollama import restoring
from mlxbench.engines.ollama.api import Api, Resident, same
from mlxbench.engines.ollama.request import FOR_EVER
from mlxbench.errors import MeasurementError

# Models that this process measures, by server: none of them is another one's trouble.
_under_test: dict[str, list[str]] = {}


def occupy(api: Api, model: str, unload: bool) -> Callable[[], None]:
    """Make room for `model`; the result restores everything. Raises MeasurementError, ServerFault.

    Calling the result again does nothing.
    """
    server = api.client.address.url
    before = api.residents()
    ours = [model, *_under_test.get(server, [])]
    others = [one for one in before if not any(same(one.name, name) for name in ours)]
    if others and not unload:
        names = ", ".join(one.name for one in others)
        raise MeasurementError(
            f"Ollama holds other models ({names}), which take memory and may take the accelerator",
            f"run `ollama stop {others[0].name}`, or let --unload set them aside and restore them",
        )
    own = next((one for one in before if same(one.name, model)), None)
    restore = _restorer(api, model, own, others)
    _under_test.setdefault(server, []).append(model)
    with ExitStack() as on_failure:
        on_failure.callback(restore)
        for other in others:
            api.unload(other.name)
        on_failure.pop_all()
    return restore


def _restorer(
    api: Api, model: str, own: Resident | None, others: list[Resident]
) -> Callable[[], None]:
    taken_at = time.monotonic()
    restored = False

    def restore() -> None:
        nonlocal restored
        if restored:
            return
        restored = True
        _under_test[api.client.address.url].remove(model)
        away_s = time.monotonic() - taken_at
        kept = own is not None and own.keep_alive_s > away_s
        steps = [] if kept else [restoring.unloading(model)]
        wanted = [own, *others] if own is not None else others
        steps += [
            restoring.loading(_again(one, away_s)) for one in wanted if one.keep_alive_s > away_s
        ]
        restoring.restore(api.client.address, steps)

    return restore


def _again(resident: Resident, away_s: float) -> dict[str, Any]:
    """A request that loads a model for what is left of its time."""
    left_s = resident.keep_alive_s - away_s
    body: dict[str, Any] = {
        "model": resident.name,
        "prompt": "",
        "stream": False,
        "keep_alive": FOR_EVER if math.isinf(left_s) else math.ceil(left_s),
    }
    if resident.context_length:
        body["options"] = {"num_ctx": resident.context_length}
    return body
