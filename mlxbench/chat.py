"""Chat templates, rendered where they can do no harm.

A template is a program that came with the weights. Jinja's sandbox stops it from reaching Python,
but not from looping for ever or filling the memory (`{{ 9**(9**9) }}`), so it is rendered in a
child process with limits on time, memory and output. The child is this module run as a script.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from mlxbench.errors import CheckpointError
from mlxbench.records import Message

TIME_LIMIT_S = 5
MEMORY_LIMIT_BYTES = 1 << 30
OUTPUT_LIMIT_CHARACTERS = 1_000_000
TEMPLATE_LIMIT_BYTES = 1 << 20
THINK = "<think>"
_TAG_WITHIN = 64  # characters from the end of a prompt
_ADVICE = "its chat template is broken or hostile: use another revision of the checkpoint"


def template_of(directory: Path) -> str:
    """The chat template of a checkpoint, from `chat_template.jinja` or `tokenizer_config.json`."""
    try:
        file = directory / "chat_template.jinja"
        if file.is_file():
            return file.read_text(encoding="utf-8")
        template = _configured(directory / "tokenizer_config.json")
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"cannot read the chat template of {directory} ({error})", "pull the checkpoint again"
        ) from error
    if not isinstance(template, str):
        raise CheckpointError(f"{directory} has no chat template", "use an instruct checkpoint")
    return template


def _configured(path: Path) -> object:
    """`chat_template` of a tokenizer's configuration; of several named ones, the default."""
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    template = config.get("chat_template") if isinstance(config, dict) else None
    if not isinstance(template, list):
        return template
    named = {
        entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)
    }
    return named.get("default")


def render(template: str, messages: Sequence[Message], thinking: bool | None) -> str:
    """The prompt text for `messages`, ready for the assistant's turn.

    Raises CheckpointError when the template fails, takes more than 5 s or 1 GiB, or writes more
    than a million characters. (macOS has no such memory limit; there time and output bound it.)
    """
    if len(template) > TEMPLATE_LIMIT_BYTES:
        raise CheckpointError(f"chat template of {len(template)} characters", _ADVICE)
    variables: dict[str, Any] = {"messages": [asdict(message) for message in messages]}
    if thinking is not None:
        variables["enable_thinking"] = thinking
    job = json.dumps({"template": template, "variables": variables})
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            input=job,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(f"chat template ran over {TIME_LIMIT_S} s", _ADVICE) from error
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        raise CheckpointError(f"chat template failed ({reason[:200]})", _ADVICE)
    return str(json.loads(child.stdout))


def opened_thinking(prompt: str) -> str:
    """The tag that a rendered prompt ends with if it begins the thoughts itself, else nothing.

    Thinking-only models have such templates; without the tag their replies would begin in thoughts
    that nothing marks as such.
    """
    end = prompt[-_TAG_WITHIN:].rstrip()
    return f"{THINK}\n" if end.endswith(THINK) else ""


def _child() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT_S, TIME_LIMIT_S))
    if sys.platform != "darwin":  # where an address space this small is refused, not enforced
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, **options)
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda pattern: (
        datetime.now().astimezone().strftime(pattern)
    )
    job = json.load(sys.stdin)
    try:
        parts = environment.from_string(job["template"]).generate(
            add_generation_prompt=True, bos_token="", eos_token="", **job["variables"]
        )
        text = _bounded(parts)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except (MemoryError, RecursionError) as error:
        sys.exit(type(error).__name__)
    json.dump(text, sys.stdout)


def _bounded(parts: Any) -> str:
    kept: list[str] = []
    length = 0
    for part in parts:
        length += len(part)
        if length > OUTPUT_LIMIT_CHARACTERS:
            raise ValueError(f"wrote more than {OUTPUT_LIMIT_CHARACTERS} characters")
        kept.append(part)
    return "".join(kept)


def _raise_exception(message: str) -> NoReturn:
    """Templates call this to refuse messages that they cannot express."""
    raise ValueError(message)


if __name__ == "__main__":
    _child()
