"""What was set otherwise than usual, in words: the same ones in every table, list and plot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlxbench.records import Options, Sampler

USUAL, GREEDY = Options(), Sampler()


def words(
    mode: str, sampler: Sampler, options: Options, routing: Iterable[str] = ()
) -> Iterator[str]:
    """A few words for each setting that is not the usual one; `routing` is in words already."""
    if mode != "pipelined":
        yield mode
    yield from drawing(sampler)
    if options.kv_bits:
        groups = f" in groups of {options.kv_group_size}"
        other = options.kv_group_size != USUAL.kv_group_size
        yield f"KV {options.kv_bits} bit{groups if other else ''}"
    if options.prefill_step_size != USUAL.prefill_step_size:
        yield f"prefill step {options.prefill_step_size}"
    yield from routing
    if options.kernels:
        yield "with " + ", ".join(name.partition("@")[0] for name in options.kernels)


def drawing(sampler: Sampler) -> Iterator[str]:
    """How tokens were drawn; nothing for greedy decoding."""
    if sampler.temperature:
        yield f"temperature {sampler.temperature:g}"
    if sampler.top_p != GREEDY.top_p:
        yield f"top-p {sampler.top_p:g}"
    if sampler.top_k:
        yield f"top-k {sampler.top_k}"
