"""How a version of Ollama counts what it reports, as read in its source.

`eval_count / eval_duration` looks like tokens per second, but what each of the two holds changed
with the version and with the runner that computes (P prompt tokens, N generated ones):

=====  =======  =====================  =============================  =======================
since  runner   eval_count             eval_duration                  prompt_eval_count
=====  =======  =====================  =============================  =======================
0      gguf     N, EOS too             N-1 forwards, N samplings      P, cached ones included
0.7    gguf     N, EOS too             N-1 forwards, no samplings     P, cached ones included
0.30   gguf     N, EOS too             N-1 forwards                   P, cached ones included
0      mlx      N, EOS left out        N-1 forwards                   P, cached ones included
0.32   mlx      N, EOS left out        N forwards                     P, cached ones included
=====  =======  =====================  =============================  =======================

Sources: `runner/llamarunner/runner.go` of v0.6.6, `runner/ollamarunner/runner.go` of v0.24.0, and
the project's own reading of 0.32. For N tokens over N-1 forwards the native rate is N/(N-1) of the
common one, which counts the N-1 intervals between N tokens.
"""

from __future__ import annotations

import re
from typing import Literal

Runner = Literal["gguf", "mlx"]
Version = tuple[int, ...]


FIRST_WITH_THINKING: Version = (0, 9)  # whose API has a switch for thinking


def version_of(text: str) -> Version:
    """`0.24.0-rc1` as (0, 24, 0); empty for what is no version."""
    numbers = re.match(r"\d{1,6}(\.\d{1,6})*", text)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def runner_of(model_format: str) -> Runner:
    """Which runner serves a model of this format: Ollama's own MLX one takes safetensors."""
    return "mlx" if model_format == "safetensors" else "gguf"


def forwards_counted(version: Version, runner: Runner) -> Literal["N-1", "N"]:
    """How many forwards `eval_duration` spans for N tokens."""
    return "N" if runner == "mlx" and version >= (0, 32) else "N-1"


def sentence(version: Version, runner: Runner) -> str:
    """The rule in words, for people who look at a native figure."""
    if forwards_counted(version, runner) == "N":
        return "Ollama divides N tokens by N forwards"
    excluded = runner == "gguf" and (0, 7) <= version < (0, 30)
    sampling = ", without the time to draw them" if excluded else ""
    return f"Ollama divides N tokens by the N-1 forwards after the first{sampling}"
