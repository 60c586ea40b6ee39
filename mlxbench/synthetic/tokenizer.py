"""A tokenizer of any vocabulary size, trained here, with Qwen's special tokens.

Byte-level BPE learns what the benchmark's own sentences can teach it, a few thousand tokens. The
vocabulary is then filled with tokens that no merge leads to: text never encodes to them, but a
random model may well choose one, and every id must decode. The special tokens come last, as in
Qwen-3, with other ids than there.

Text is split before merging by Qwen's own rule. Servers hard-code that rule for every model that
calls itself a Qwen-3, so with any other they would count the same prompt differently.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from mlxbench.synthetic.files import write_json, write_text
from mlxbench.text import sentences

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")

# How Qwen-2 and Qwen-3 split text: words with one sign before them, single digits, runs of signs.
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPACE = "\u0120"  # how byte-level vocabularies spell a space
END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|im_end|>"
# Markers of control and media, dropped from decoded text on request.
CONTROL_TOKENS = (
    END_OF_TEXT,
    "<|im_start|>",
    END_OF_TURN,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Single tokens as well, but always part of the text.
TEXT_TOKENS = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)

# With thinking off, the reply opens with an empty thought that is already closed.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking -%}
<think>

</think>

{% endif -%}
{%- endif -%}
"""

_TOKENIZER_CONFIG = {
    "add_bos_token": False,
    "bos_token": None,
    "chat_template": CHAT_TEMPLATE,
    "clean_up_tokenization_spaces": False,
    "eos_token": END_OF_TURN,
    "model_max_length": 131072,
    "pad_token": END_OF_TEXT,
    "tokenizer_class": "PreTrainedTokenizerFast",
    "unk_token": None,
}


def special_ids(vocab_size: int) -> dict[str, int]:
    """The ids of the special tokens: the last ones of the vocabulary."""
    names = CONTROL_TOKENS + TEXT_TOKENS
    return dict(zip(names, range(vocab_size - len(names), vocab_size), strict=True))


def silent_ids(vocab_size: int) -> tuple[range, ...]:
    """Ids that are no text by themselves: bytes over 127, the byte 0, and the special tokens.

    A byte-level vocabulary begins with the 256 bytes in the order of the characters that stand for
    them (`bytes_to_unicode` of GPT-2): those that print, then the others.
    """
    special = len(CONTROL_TOKENS) + len(TEXT_TOKENS)
    return (range(94, 189), range(222, 256), range(vocab_size - special, vocab_size))


def write_tokenizer(directory: Path, vocab_size: int) -> None:
    """Train and write `tokenizer.json` and `tokenizer_config.json`."""
    room = vocab_size - len(special_ids(vocab_size))
    tokenizer = _filled(_trained(room), room)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in TEXT_TOKENS])
    write_text(directory / "tokenizer.json", tokenizer.to_str(pretty=True))
    write_json(directory / "tokenizer_config.json", _TOKENIZER_CONFIG)


def _trained(max_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=max_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    return tokenizer


def _filled(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The same tokenizer with tokens appended that no text encodes to."""
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    for token_id in range(len(vocabulary), size):
        vocabulary[f"{SPACE}filler{token_id}"] = token_id
    return Tokenizer.from_str(json.dumps(content))
