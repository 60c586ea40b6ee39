"""How many kernels a decoded token launches, counted in the graph of a real step.

MLX is lazy: calling a model computes nothing and leaves a graph of primitives, each of which one
backend turns into no kernel, one, or a few. So a step is built with the model's own code, never
evaluated, and its graph is counted. The weights are then of no account: every parameter is
replaced by a broadcast scalar of the same shape and type, which takes no memory. The 235B model is
counted in well under a second and a few megabytes, before anything of it is downloaded.

**Metal without Metal.** On a GPU the functions of `mx.fast` and `mx.dequantize` are one kernel
each; on a CPU they fall to pieces while the graph is built. For the Metal count they are replaced
by stand-ins that are counted when they are called and put nothing but views into the graph. The
count for the device at hand leaves them as they are.

What a primitive launches on Metal was read in mlx/backend/metal and mlx/backend/gpu at version
0.32.2 (the tests run 0.32.4):

- Views launch nothing: reshapes, transposes, slices, broadcasts, what only renames dimensions.
- Everything else launches one kernel, a function compiled by `mx.compile` too, however many
  operations it fused.
- `Concatenate` copies each input; `Pad`, `Scatter` and `ScatterAxis` copy, then write.
- Attention of one query takes two passes from 1,024 tokens of context on the largest chips (Max,
  Ultra), from 4,096 on others where heads share keys; head sizes that have no kernel fall to
  pieces there too.
- The stock mixture has three kernels that its code does not show: `gather_qmm` is not told which
  row of its input to use, and makes that list with an `Arange` each time.

Approximate, and why:

- A reshape of values that do not lie in order copies. With one token none does.
- A cache update is one kernel while its buffer is free to be written in place. A step that starts
  while the one before still reads that buffer copies it first.
- Every 256 tokens a cache grows: kernels that a single step does not show.
- A sort or reduction over thousands of values takes several passes. Greedy decoding sorts nothing
  larger than a router's row.
- On a CPU the count is of operations that do work; nothing is launched there.

Traps:
- `mx.export_function` merges equal subgraphs before one can look: it shows one `Arange` for the
  whole model. The graph that is really evaluated is the one that `mx.export_to_dot` writes.
- `mx.compile` keeps what it traced. A compiled function that calls `mx.fast` inside would keep the
  stand-ins, so a process that counts on such a model must not run it afterwards. Qwen-3 has none.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx.nn.layers.quantized import quantize
from mlx.utils import tree_map
from mlx_lm.models.cache import KVCache, make_prompt_cache
from mlx_lm.utils import _get_classes

from mlxbench.engines.mlx.sampling import sample_function
from mlxbench.engines.mlx.stand_ins import stand_ins
from mlxbench.errors import CheckpointError
from mlxbench.records import GREEDY, Shape
from mlxbench.synthetic import Recipe
from mlxbench.synthetic.config import model_config

VIEWS = frozenset(
    {
        *("AsStrided", "Broadcast", "BroadcastAxes", "Contiguous", "Copy", "CustomTransforms"),
        *("Depends", "ExpandDims", "Flatten", "NumberOfElements", "Reshape", "Slice", "Split"),
        *("Squeeze", "StopGradient", "Transpose", "Unflatten", "View"),
    }
)
TWO_KERNELS = frozenset({"DynamicSlice", "DynamicSliceUpdate", "Pad", "Scatter", "ScatterAxis"})
COMPILED = "Compiled"  # a compiled function's label goes on with what it fused
DTYPES = {"bfloat16": mx.bfloat16, "float16": mx.float16, "float32": mx.float32}

_NODE = re.compile(r'^\{ (\d+) \[label ="([^"]*)"', re.MULTILINE)
_EDGE = re.compile(r'^"[^"]*" -> (\d+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Counted:
    """Kernels of one greedy step at batch 1: on Metal, here, and which they are on Metal."""

    metal: int
    here: int
    operations: Mapping[str, int]


def count_kernels(config: Mapping[str, Any], context: int = 0) -> Counted:
    """Kernels per token of what a `config.json` describes, with `context` tokens in the cache.

    Raises CheckpointError where mlx-lm does not know the model.
    """
    return count_model(hollow_model(config), context)


def count_model(model: Any, context: int = 0) -> Counted:
    """Kernels per token of a model that exists already; nothing of it is evaluated."""
    calls: Counter[str] = Counter()
    cache = _filled_cache(model, context)
    with stand_ins(calls):
        graph = _step_graph(model, cache)
    metal = calls + _launches(graph)
    if mx.default_device() == mx.Device(mx.gpu) and mx.metal.is_available():
        here = metal.total()
    else:
        graph = _step_graph(model, _filled_cache(model, context))
        here = sum(label not in VIEWS for label, _ in _nodes(graph))
    return Counted(metal.total(), here, dict(metal.most_common()))


def config_of(
    shape: Shape, quantization: Mapping[str, Any], value_bytes: int = 2
) -> dict[str, Any]:
    """A `config.json` for a shape; `quantization` as in `Checkpoint`, the default under "".

    Raises InputError for a shape that MLX could not hold at 4 bit.
    """
    config = model_config(Recipe("shape", shape, scales="f32" if value_bytes == 4 else "bf16"))
    paths = {path: settings for path, settings in quantization.items() if path}
    return {**config, "quantization": {**quantization.get("", {}), **paths}}


def hollow_model(config: Mapping[str, Any]) -> Any:
    """mlx-lm's model of a configuration, quantised as it says, with parameters of no size."""
    try:
        model_class, arguments = _get_classes(dict(config))
        model = model_class(arguments.from_dict(config))
        _quantise(model, config.get("quantization") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        kind = config.get("model_type")
        raise CheckpointError(
            f"mlx-lm cannot build a {kind!r} from its config ({' '.join(str(error).split())})",
            "check its model_type and sizes",
        ) from error
    named = config.get("torch_dtype") or config.get("dtype")
    dtype = DTYPES.get(named if isinstance(named, str) else "", mx.bfloat16)
    model.update(tree_map(lambda values: _hollow(values, dtype), model.parameters()))
    return model


def _quantise(model: Any, quantization: Mapping[str, Any]) -> None:
    """As mlx-lm does at load, for a checkpoint in which all that can be quantised is."""
    if not quantization:
        return

    def settings(path: str, module: Any) -> Any:
        if path in quantization:
            return quantization[path]
        group = quantization["group_size"]
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % group == 0

    quantize(
        model,
        group_size=quantization["group_size"],
        bits=quantization["bits"],
        mode=quantization.get("mode", "affine"),
        class_predicate=settings,
    )


def _hollow(values: mx.array, dtype: mx.Dtype) -> mx.array:
    """Values of the same shape in the memory of one; floats get the checkpoint's type."""
    kept = dtype if mx.issubdtype(values.dtype, mx.floating) else values.dtype
    made = mx.broadcast_to(mx.array(0, kept), values.shape)
    mx.eval(made)
    return made


def _filled_cache(model: Any, context: int) -> list[Any]:
    """A cache as earlier steps would have left it, with values of no size."""
    cache: list[Any] = make_prompt_cache(model)
    model(mx.array([[0]]), cache=cache)  # gives each layer its shape
    for layer in cache:
        _fill(layer, context)
    return cache


def _step_graph(model: Any, cache: list[Any]) -> str:
    """The graph of a step in the middle of a reply, in the language of Graphviz."""
    logits = model(mx.array([[0]]), cache=cache)[:, -1, :]
    token = sample_function(GREEDY)(logits - mx.logsumexp(logits, axis=-1, keepdims=True))
    text = io.StringIO()
    mx.export_to_dot(text, token)
    return text.getvalue()


def _fill(layer: Any, context: int) -> None:
    """Detach a layer's cache from the step that shaped it, and let it hold `context` tokens."""
    if context and type(layer) is KVCache:
        tokens = -(-(context + 1) // KVCache.step) * KVCache.step
        keys, values, _ = layer.state
        layer.state = (_longer(keys, tokens), _longer(values, tokens), context)
    for name, value in vars(layer).items():
        hollow = tree_map(lambda v: _hollow(v, v.dtype) if isinstance(v, mx.array) else v, value)
        setattr(layer, name, hollow)


def _longer(values: Any, tokens: int) -> mx.array:
    """Keys or values [B, heads, n, width] for another number of tokens."""
    batch, heads, _, width = values.shape
    return mx.broadcast_to(mx.array(0, values.dtype), (batch, heads, tokens, width))


def _nodes(graph: str) -> list[tuple[str, int]]:
    """Label and number of inputs of each primitive."""
    inputs = Counter(_EDGE.findall(graph))
    return [(label, inputs[identifier]) for identifier, label in _NODE.findall(graph)]


def _launches(graph: str) -> Counter[str]:
    """Kernels on Metal by operation."""
    found: Counter[str] = Counter()
    for label, inputs in _nodes(graph):
        if label in VIEWS:
            continue
        if label == "Concatenate":
            found[label] += inputs
        elif label.partition(" ")[0] in TWO_KERNELS:  # "Scatter Sum" and its like
            found[label] += 2
        else:
            found[COMPILED if label.startswith(COMPILED) else label] += 1
    return found
