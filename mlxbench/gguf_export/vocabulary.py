"""A Qwen tokenizer as GGUF keys, so that a server counts the tokens that MLX counts.

GGUF names the rule that splits text before merging (`pre`) instead of carrying it, and Ollama's own
engine does not even read the name: for a Qwen-3 it always uses Qwen's. A checkpoint that splits any
other way would be counted wrongly there, so it is refused.

The embedding usually has more rows than the tokenizer has tokens. A model can choose such a row,
and readers want a string for each, so they get placeholders of the type "unused".

One difference stays: servers do not apply the tokenizer's Unicode normalisation (NFC), which only
matters for text with decomposed characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxbench import chat
from mlxbench.checkpoints.jsonfile import read_object
from mlxbench.errors import CheckpointError
from mlxbench.synthetic.tokenizer import QWEN_SPLIT

if TYPE_CHECKING:
    from gguf import GGUFWriter

# The numbers of `gguf.TokenType`, which is imported only when something is exported.
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
MODEL, PRE = "gpt2", "qwen2"
MORE_STOPS = "tokenizer.ggml.eos_token_ids"  # read by Ollama's own engine; gguf has no method
ADVICE = "use a checkpoint with Qwen's own tokenizer.json"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens and their types by id; `stops` are the ids that end a reply, the main one first."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    stops: tuple[int, ...]
    beginning: int | None
    padding: int | None
    chat_template: str | None

    @property
    def stop_texts(self) -> tuple[str, ...]:
        return tuple(self.tokens[token] for token in self.stops)


def read(directory: Path, config: Mapping[str, Any], size: int) -> Vocabulary:
    """The tokenizer of a checkpoint whose embedding has `size` rows. Raises CheckpointError."""
    content = read_object(directory / "tokenizer.json")
    _refuse_other_splits(directory, content.get("pre_tokenizer"))
    model = content.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        raise CheckpointError(f"{directory / 'tokenizer.json'} is no byte-level BPE", ADVICE)
    tokens, types = _tokens(directory, model, content.get("added_tokens") or [], size)
    ids = {token: number for number, token in enumerate(tokens)}
    settings = _optional(directory / "tokenizer_config.json")
    beginning = config.get("bos_token_id")
    return Vocabulary(
        tokens=tuple(tokens),
        types=tuple(types),
        merges=tuple(_merge(one) for one in model.get("merges", [])),
        stops=_stops(directory, config, ids.get(_text(settings.get("eos_token"))), size),
        beginning=beginning if _is_id(beginning, size) else None,
        padding=ids.get(_text(settings.get("pad_token"))),
        chat_template=_chat_template(directory),
    )


def add(writer: GGUFWriter, vocabulary: Vocabulary) -> None:
    """Write the vocabulary's keys."""
    writer.add_tokenizer_model(MODEL)
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_add_bos_token(False)
    if vocabulary.beginning is not None:
        writer.add_bos_token_id(vocabulary.beginning)
    if vocabulary.padding is not None:
        writer.add_pad_token_id(vocabulary.padding)
    if vocabulary.stops:
        writer.add_eos_token_id(vocabulary.stops[0])
        writer.add_array(MORE_STOPS, list(vocabulary.stops))
    if vocabulary.chat_template is not None:
        writer.add_chat_template(vocabulary.chat_template)


def _refuse_other_splits(directory: Path, found: object) -> None:
    parts = found.get("pretokenizers") if isinstance(found, dict) else None
    if isinstance(parts, list) and len(parts) == 2:
        split, byte_level = parts
        same = (
            split.get("type") == "Split"
            and split.get("pattern") == {"Regex": QWEN_SPLIT}
            and split.get("behavior") == "Isolated"
            and not split.get("invert")
            and byte_level.get("type") == "ByteLevel"
            and not byte_level.get("add_prefix_space")
            and byte_level.get("use_regex") is False
        )
        if same:
            return
    kind = found.get("type") if isinstance(found, dict) else found
    raise CheckpointError(
        f"{directory / 'tokenizer.json'} splits text unlike Qwen's (pre-tokenizer {kind}), "
        "and a server would count other tokens",
        f"{ADVICE}, or make a synthetic checkpoint again with `mlxbench models synth`",
    )


def _tokens(
    directory: Path, model: Mapping[str, Any], added: Sequence[Any], size: int
) -> tuple[list[str], list[int]]:
    tokens: dict[int, tuple[str, int]] = {
        number: (token, NORMAL) for token, number in model.get("vocab", {}).items()
    }
    for one in added:
        kind = CONTROL if one.get("special") else USER_DEFINED
        tokens[one["id"]] = (one["content"], kind)
    if not tokens or not all(_is_id(number, size) for number in tokens):
        raise CheckpointError(
            f"{directory / 'tokenizer.json'} has {len(tokens)} tokens with ids up to "
            f"{max(tokens, default=0)}, the model {size} rows for them",
            "pull the checkpoint again",
        )
    filled = [tokens.get(number, (f"[PAD{number}]", UNUSED)) for number in range(size)]
    return [token for token, _ in filled], [kind for _, kind in filled]


def _merge(one: object) -> str:
    """Older files write "a b", newer ones ["a", "b"]; byte-level tokens hold no space."""
    return " ".join(one) if isinstance(one, list) else str(one)


def _stops(
    directory: Path, config: Mapping[str, Any], own: int | None, size: int
) -> tuple[int, ...]:
    """The tokenizer's own end first, then those of config.json and generation_config.json."""
    found: list[Any] = [own]
    for source in (config, _optional(directory / "generation_config.json")):
        value = source.get("eos_token_id")
        found += value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(number for number in found if _is_id(number, size)))


def _is_id(value: object, size: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size


def _text(token: object) -> str:
    """A special token of tokenizer_config.json: a string, or an object that has it."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _chat_template(directory: Path) -> str | None:
    """A base model has none, and its text can be continued without."""
    try:
        return chat.template_of(directory)
    except CheckpointError:
        return None
