"""What each key of a models file may hold; each rule is stated once, in words and as a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_MAX_SIZE = 10_000_000
_MAX_TEXT = 200
_MAX_TOK_PER_S = 1_000_000
_GROUP = 64  # weights that share one scale; every matrix's input is a whole number of groups


class Rule(NamedTuple):
    """What a value must be, in words that follow "write", and the test for it."""

    allowed: str
    accepts: Callable[[Any], bool]


def _match(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _size(least: int, multiple: int = 1) -> Rule:
    kind = "a whole number" if multiple == 1 else f"a multiple of {multiple}"
    return Rule(
        f"{kind} from {least} to {_MAX_SIZE}",
        # bool is a subclass of int, and `true` is no size
        lambda value: type(value) is int and least <= value <= _MAX_SIZE and value % multiple == 0,
    )


_BOOLEAN = Rule("true or false", lambda value: isinstance(value, bool))
_TEXT = Rule(
    f"one line of printable text, at most {_MAX_TEXT} characters",
    lambda value: isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable(),
)

MODEL_RULES = {
    "name": Rule(
        "lower-case letters, digits, '.', '_' and '-', a letter or digit first, at most 64",
        _match(r"[a-z0-9][a-z0-9._-]{0,63}"),
    ),
    "summary": _TEXT,
    "repository": Rule(
        "the owner/name of a Hugging Face repository",
        _match(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"),
    ),
    "revision": Rule(
        "a commit, tag or branch: letters, digits, '.', '_', '/' and '-'",
        _match(r"(?!.*\.\.)[0-9A-Za-z][0-9A-Za-z._/-]{0,199}"),
    ),
    "ollama": Rule(
        "a tag as `ollama list` shows it, like 'qwen3:32b'",
        _match(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,149}(:[0-9A-Za-z._-]{1,80})?"),
    ),
    "synthetic": _BOOLEAN,
    "shape": Rule("a table, [model.shape]", lambda value: isinstance(value, dict)),
    "references": Rule(
        "tables, [[model.references]]",
        lambda value: isinstance(value, list) and all(isinstance(item, dict) for item in value),
    ),
}

SHAPE_RULES = {
    "model_type": Rule(
        "'qwen3' or 'qwen3_moe', or leave the shape of another family out",
        lambda value: value in ("qwen3", "qwen3_moe"),
    ),
    "hidden_size": _size(_GROUP, multiple=_GROUP),
    "num_hidden_layers": _size(1),
    "num_attention_heads": _size(1),
    "num_key_value_heads": _size(1),
    "head_dim": _size(_GROUP, multiple=_GROUP),
    "intermediate_size": _size(_GROUP, multiple=_GROUP),
    "vocab_size": _size(1),
    "tie_word_embeddings": _BOOLEAN,
    "num_experts": _size(0),
    "num_experts_per_tok": _size(0),
    "moe_intermediate_size": _size(0, multiple=_GROUP),
}

# What one field of a shape must be, given the others; tested on a `Shape` whose fields pass alone.
SHAPE_RELATIONS = {
    "num_key_value_heads": Rule(
        "a divisor of num_attention_heads",
        lambda shape: shape.num_attention_heads % shape.num_key_value_heads == 0,
    ),
    "num_experts": Rule(
        "1 or more for qwen3_moe, nothing for qwen3",
        lambda shape: (shape.num_experts > 0) == (shape.model_type == "qwen3_moe"),
    ),
    "num_experts_per_tok": Rule(
        "a number from 1 to num_experts for qwen3_moe, nothing for qwen3",
        lambda shape: min(1, shape.num_experts) <= shape.num_experts_per_tok <= shape.num_experts,
    ),
    "moe_intermediate_size": Rule(
        f"a multiple of {_GROUP} for qwen3_moe, nothing for qwen3",
        lambda shape: (shape.moe_intermediate_size > 0) == (shape.num_experts > 0),
    ),
}

REFERENCE_RULES = {
    "source": _TEXT,
    "engine": _TEXT,
    "machine": _TEXT,
    "workload": _TEXT,
    "decode_tps": Rule(
        f"a number over 0, at most {_MAX_TOK_PER_S}",
        lambda value: type(value) in (int, float) and 0 < value <= _MAX_TOK_PER_S,
    ),
    "probe": Rule("'PASS' or 'FAIL'", lambda value: value in ("PASS", "FAIL")),
}
