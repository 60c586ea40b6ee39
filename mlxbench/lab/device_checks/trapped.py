"""Two loops that fall into the traps, on purpose.

They show by how much a device deceives who does not wait, and they are what the tests plant.
`ahead` stamps each token when it is dispatched; `late` dispatches the second step before it reads
the first token.
"""

from __future__ import annotations

import time
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.generate import generation_stream

from mlxbench.engines.mlx import loop


def ahead(model: Any, cache: list[Any], request: loop.Request) -> loop.Result:
    """A loop whose clock runs ahead: each token is stamped when it is dispatched, not when read."""
    return _trapped(model, cache, request, reads=False)


def late(model: Any, cache: list[Any], request: loop.Request) -> loop.Result:
    """A loop that reads each token, the first too, after dispatching the next step."""
    return _trapped(model, cache, request, reads=True)


def _trapped(model: Any, cache: list[Any], request: loop.Request, reads: bool) -> loop.Result:
    tokens, stamps = [], []
    mx.synchronize(generation_stream)
    with mx.stream(generation_stream):
        began = time.perf_counter()
        loop.prefill(model, cache, request.prompt[:, :-1], request.prefill_step_size)
        prefilled = time.perf_counter()
        logits = model(request.prompt[:, -1:], cache=cache)[:, -1, :]
        token = mx.argmax(logits, axis=-1)
        mx.async_eval(token)
        for index in range(request.generation_tokens):
            following = token
            if index + 1 < request.generation_tokens:
                logits = model(token[:, None], cache=cache)[:, -1, :]
                following = mx.argmax(logits, axis=-1)
                mx.async_eval(following)
            if reads:
                token.tolist()
            stamps.append(time.perf_counter() - began)
            tokens.append(token)
            token = following
        mx.synchronize(generation_stream)
        ended = time.perf_counter()
    values = [np.array(token).tolist() for token in tokens]
    return loop.Result(tuple(stamps), prefilled - began, ended - began, values, True)
