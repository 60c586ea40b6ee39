"""What the double is told to be: a version, a runner, speeds and perhaps a fault.

`RULES` is what was read in the source of three versions (0.6.6, 0.24.0, 0.32.15), and for the first
two also observed on the built servers. In it P are prompt tokens, C those found in the prompt
cache, S the tokens sampled, the end-of-sequence token (EOS) among them.

| | EOS counted | `eval_duration` | `prompt_eval_duration` | prompt over the limit |
|---|---|---|---|---|
| 0.6 gguf | yes | S−1 forwards, S samples | tokenising, P−C | cut to num_ctx |
| 0.24 gguf | yes | S−1 forwards | P−C | cut; truncate=false: 400 |
| 0.24 mlx | no | S−1 forwards and samples | P−C−1, one forward | 400 at the model's context |
| 0.32 gguf | yes | S−1 of both, at least 1 µs | P−C | cut to half; 400 without truncate or shift |
| 0.32 mlx | no | S forwards and samples | P−C−1 | 400 at the model's context |

Time is scripted: every duration and `created_at` follows from the speeds given here, exactly, and
the sender sleeps so that no message leaves before its time. So tests can compare durations with
`==`, while a client still sees real gaps between the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.ollama_double.golang import SECOND_NS

Runner = Literal["gguf", "mlx"]
Era = Literal["0.6", "0.24", "0.32"]
Encode = Callable[[str], Sequence[int]]

WORDS = tuple(
    f" {a}{b}".encode()
    for a in ("ba", "ke", "mi", "no", "ru", "sa", "te", "vo")
    for b in ("d", "ls", "nt", "rk", "p", "x", "gle", "mo")
)
TEMPLATE = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n{{ if and .IsThinkSet (not .Think) }}<think>\n\n</think>\n\n{{ end }}"
)


@dataclass(frozen=True, slots=True)
class Rules:
    """How one runner of one era counts and behaves."""

    counts_eos: bool
    forwards: Literal["S", "S-1"]  # inside eval_duration
    samples: Literal["S", "S-1", "none"]  # inside eval_duration, on top of the forwards
    prompt: Literal["tokenising, P-C", "P-C", "P-C-1, forward", "P-C-1"]
    over_limit: Literal["window", "half", "refuse"]
    can_refuse: bool  # knows `truncate` and `shift`
    splits_thinking: bool
    repeats_end: frozenset[str]  # where 31 repetitions of a piece end the stream
    reloads: bool  # for other values of num_ctx, num_batch…


_BOTH = frozenset({"generate", "chat"})
RULES: Mapping[tuple[Era, Runner], Rules] = {
    ("0.6", "gguf"): Rules(
        True, "S-1", "S", "tokenising, P-C", "window", False, False, _BOTH, True
    ),
    ("0.24", "gguf"): Rules(True, "S-1", "none", "P-C", "window", True, True, _BOTH, True),
    ("0.24", "mlx"): Rules(
        False, "S-1", "S-1", "P-C-1, forward", "refuse", False, True, frozenset(), False
    ),
    ("0.32", "gguf"): Rules(
        True, "S-1", "S-1", "P-C", "half", True, True, frozenset({"generate"}), True
    ),
    ("0.32", "mlx"): Rules(False, "S", "S", "P-C-1", "refuse", False, True, frozenset(), False),
}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """An installed model. Sizes in bytes."""

    name: str = "qwen3:tiny"
    size: int = 3_407_533
    parameters: int = 5_245_184
    parameter_size: str = "5.25M"
    quantization: str = "Q4_K_M"
    file_type: int = 15
    architecture: str = "qwen3"
    thinks: bool = True
    digest: str = "f7f2745d41a242e56722ca9ded350e9d08a32aa1561d0e99a783e3243d59439a"


@dataclass(frozen=True, slots=True)
class Canned:
    """A reply as bytes. `headers` do not say how long it is: the connection is closed after it."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/x-ndjson"),)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way for the server to behave; times in seconds, `limit` is the model's own context."""

    version: str = "0.24.0"
    runner: Runner = "gguf"
    encode: Encode = field(default=lambda text: text.encode())  # a token per byte
    token_s: float = 0.002  # one forward pass
    sample_s: float = 0.00001
    prompt_token_s: float = 0.00001
    tokenising_token_s: float = 0.000001
    load_s: float = 0.01
    warm_load_s: float = 0.0015
    unload_s: float = 0.01  # /api/ps still shows a model for so long after it was unloaded
    limit: int = 40960
    num_ctx: int = 4096  # what the server takes without `options.num_ctx`
    num_predict: int | None = None  # what it generates, whatever it was asked for
    stop_after: int | None = None  # the model says EOS after so many tokens
    thoughts: int = 0  # tokens of thinking before the answer, unless think is false
    pieces: tuple[bytes, ...] = WORDS  # the bytes of the tokens, again and again
    empty_first: bool = False  # an empty piece comes before the first token
    reports_cached: bool = False  # prompt_eval_cached_count: in no released version so far
    vram_share: float = 1.0
    utc_offset_minutes: int = 120  # of `expires_at`; `created_at` is always in UTC
    fault: str | None = None  # a name of faults.FAULTS
    fault_at: frozenset[str] = _BOTH  # version tags ps show load unload generate chat
    canned: Canned = Canned()
    redirect_to: str = "/elsewhere"

    def __post_init__(self) -> None:
        if (self.era, self.runner) not in RULES:
            raise ValueError(f"Ollama {self.version} has no {self.runner} runner")

    @property
    def era(self) -> Era:
        """Which of the three versions this one behaves like."""
        numbers = tuple(int(part) for part in self.version.split("-")[0].split(".")[:2])
        return "0.6" if numbers < (0, 7) else "0.24" if numbers < (0, 30) else "0.32"

    @property
    def rules(self) -> Rules:
        return RULES[self.era, self.runner]


def nanoseconds(seconds: float) -> int:
    """Seconds as Go counts them."""
    return round(seconds * SECOND_NS)
