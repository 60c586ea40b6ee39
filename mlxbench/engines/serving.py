"""What engines of servers have in common: prompts and replies as text, and what none can do."""

from __future__ import annotations

from pathlib import Path

from mlxbench.errors import InputError
from mlxbench.records import Options, Target, Task, Timed
from mlxbench.text import Prompt, exact_prompt
from mlxbench.tokenizer import Tokenizer


class Prompts:
    """Prompts of exact token counts for a server's model, by a tokenizer on this disk."""

    def __init__(self, target: Target) -> None:
        self._model = target.model
        self._tokenizer = Tokenizer(Path(target.tokenizer)) if target.tokenizer else None

    def exact(self, length: int, seed: int) -> Prompt:
        """A prompt of `length` tokens. Raises InputError where no tokenizer is known."""
        if self._tokenizer is None:
            raise InputError(
                f"no tokenizer is known for {self._model}, so no prompt of exact length",
                "add tokenizer=DIR to the arm, a folder with the model's tokenizer.json",
            )
        return exact_prompt(self._tokenizer.encode, self._tokenizer.decode, length, seed)


def whole_text(thinking: str, answer: str) -> str:
    """What was said; thoughts that came apart stand where they would have stood in one text.

    Some servers trim the breaks around thoughts and some do not: here all look the same.
    """
    if not thinking:
        return answer
    thinking, answer = thinking.strip("\n"), answer.lstrip("\n")
    return f"<think>\n{thinking}\n</think>\n\n{answer}"


def refuse_impossible(server: str, task: Task, options: Options) -> None:
    """Raises InputError for what a server cannot be asked to do."""
    if options.kv_bits is not None:
        raise InputError(
            f"{server} cannot quantise the KV cache for one request",
            "start the server with a quantised KV cache, or leave kv_bits out",
        )
    if options.routing is not None:
        raise InputError(
            f"{server} cannot change a model's routers", "ask for it in process, --engine mlx"
        )
    if options != Options():
        raise InputError(f"{server} chooses its own prefill step", "leave out --prefill-step-size")
    if not isinstance(task, Timed):
        return
    wrong = {
        f"depth {task.depth}": task.depth > 0,
        f"batch size {task.batch_size}": task.batch_size > 1,
        "stepped mode": task.mode == "stepped",
        "a decode without its own prompt": task.kind == "decode",
    }
    for what, found in wrong.items():
        if found:
            raise InputError(f"{server} cannot do {what}", "ask for it in process, --engine mlx")
