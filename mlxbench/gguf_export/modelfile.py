"""The Modelfile for `ollama create`: the chat template in Go's syntax, and how to sample.

Ollama renders chats with a template of its own, not with the one inside the GGUF. The one below
makes the text that Qwen-3's own template makes for plain turns: ChatML, with a closed, empty
thought in front of the reply when thinking is switched off. Three traps:

- Servers before mid-2025 know neither `.IsThinkSet` nor `.Think` nor `.Thinking`. A missing key of
  the template's variables counts as false, but a missing field of a message is an error once it is
  evaluated: so `.Thinking` stands inside a condition that is false there.
- Newer servers take a model for one that thinks only if its template mentions `.Thinking` between
  two tags inside the loop over the messages; that is where they learn what the tags are.
- Ollama's default repeat penalty was 1.1 for long; nothing on the MLX side does the like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

TEMPLATE = """\
{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
<|im_start|>{{ .Role }}
{{ if and $last $.IsThinkSet }}{{ if .Thinking -}}
<think>
{{ .Thinking }}
</think>

{{ end }}{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ if .IsThinkSet }}{{ if not .Think -}}
<think>

</think>

{{ end }}{{ end }}"""

# What generation_config.json may say, and what Ollama calls it.
SAMPLING = ("temperature", "top_p", "top_k")


def text(
    gguf_name: str, origin: str, findings: str, stops: Sequence[str], generation: Mapping[str, Any]
) -> str:
    """The whole file. `origin` and `findings` become the comment on its first line."""
    lines = [
        f"# {_one_line(origin)}: {_one_line(findings)}",
        f"FROM ./{gguf_name}",
        f'TEMPLATE """{TEMPLATE}"""',
        *(f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops),
        *(f"PARAMETER {name} {value:g}" for name, value in _sampling(generation)),
        "PARAMETER repeat_penalty 1",
    ]
    return "\n".join(lines) + "\n"


def ollama_name(name: str) -> str:
    """A name that `ollama create` takes, for a model of this name at Q4_1."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") + "-q41"


def _sampling(generation: Mapping[str, Any]) -> list[tuple[str, float]]:
    found = [(name, generation.get(name)) for name in SAMPLING]
    return [
        (name, value)
        for name, value in found
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6
    ]


def _one_line(words: str) -> str:
    """A name comes from outside and must not become a line of the Modelfile."""
    return "".join(c if c.isprintable() else " " for c in words)
