"""What an engine is asked to do, and how it is set while it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlxbench.records.models import Target

Kind = Literal["decode", "prefill", "request"]
Mode = Literal["pipelined", "stepped"]


@dataclass(frozen=True, slots=True)
class Sampler:
    """How the next token is drawn; temperature 0 is greedy. `top_p` 1 and `top_k` 0 mean off."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


GREEDY = Sampler()


@dataclass(frozen=True, slots=True)
class Timed:
    """Exactly `generation_tokens` forwards after a prompt of exactly `prompt_tokens`.

    `depth` tokens lie in the KV cache before the prompt. `kind` says which phase is measured: a
    `decode` trial reuses the prompt's cache, a `prefill` trial processes the whole prompt, and a
    `request` does all that a server does for one: the whole prompt, then the tokens.
    """

    kind: Kind
    prompt_tokens: int = 512
    generation_tokens: int = 128
    depth: int = 0
    batch_size: int = 1
    mode: Mode = "pipelined"
    sampler: Sampler = GREEDY

    @property
    def label(self) -> str:
        """The field's short name: `pp512`, `tg128 @ d4096`, `pp512+tg128`."""
        prompt, generated = f"pp{self.prompt_tokens}", f"tg{self.generation_tokens}"
        whole = f"{prompt}+{generated}"
        name = {"prefill": prompt, "decode": generated, "request": whole}[self.kind]
        depth = f" @ d{self.depth}" if self.depth else ""
        batch = f" × b{self.batch_size}" if self.batch_size > 1 else ""
        return name + depth + batch


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Generate:
    """A chat reply of at most `token_budget` tokens, ended by the model's own end of turn.

    `thinking` is handed to the chat template; `None` leaves the template's default. `unique` adds a
    different number to the end of the last message of each trial, so that no cache can serve it.
    """

    messages: tuple[Message, ...]
    sampler: Sampler
    token_budget: int
    thinking: bool | None = None
    unique: bool = False

    def turns(self, seed: int) -> list[Message]:
        """The messages of one trial."""
        if not self.unique:
            return list(self.messages)
        *before, last = self.messages
        return [*before, Message(last.role, f"{last.content} [{seed}]")]


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a suite as it is put to a model.

    `phrase` is what the initials of its lines spell; `None` for a control, which spells nothing.
    """

    item: str
    phrase: str | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A suite of questions, each put `samples` times; every reply is a trial of its own.

    A trial's sequence number is its place: all samples of the first question, then of the second,
    and so on. Its seed is that of the sampler plus its place, so that a probe which was broken off
    goes on with the places that are still empty. `batch_size` replies are decoded together where
    the engine can; `None` leaves that to what fits into memory.
    """

    suite: str
    questions: tuple[Question, ...]
    samples: int
    sampler: Sampler
    token_budget: int
    thinking: bool | None = None
    batch_size: int | None = None

    @property
    def label(self) -> str:
        """Its short name beside the labels of timed tasks."""
        thinking = {None: "", True: ", thinking", False: ", not thinking"}[self.thinking]
        return f"probe {self.suite}{thinking}"

    @property
    def replies(self) -> int:
        """How many replies make the probe complete."""
        return self.samples * len(self.questions)

    def question(self, sequence: int) -> Question:
        """The question at a place."""
        return self.questions[sequence // self.samples]

    def request(self, sequence: int) -> Generate:
        """The chat at a place; its seed is to be the place."""
        messages = self.question(sequence).messages
        return Generate(messages, self.sampler, self.token_budget, self.thinking)


Request = Timed | Generate  # what an engine answers with one trial
Task = Request | Probe

BAN, PIN = -1e9, 1e9  # biases that no router's scores outweigh


@dataclass(frozen=True, slots=True)
class ExpertBias:
    """What is added to the router logit of one expert, in one layer or (`None`) in each."""

    layer: int | None
    expert: int
    bias: float


@dataclass(frozen=True, slots=True)
class Routing:
    """A mixture's routers, changed: another number of experts, some banned, promoted or pinned.

    With `selection_only` biases decide which experts run, and the unbiased scores weight them;
    otherwise they change the weights as well.
    """

    top_k: int | None = None
    biases: tuple[ExpertBias, ...] = ()
    selection_only: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is set while a trial runs. `kv_bits` `None` is an unquantised KV cache.

    `routing` `None` is the model's own. `kernels` names what is swapped into the model while it
    runs, each as `name@digest` of its sources.
    """

    prefill_step_size: int = 2048
    kv_bits: int | None = None
    kv_group_size: int = 64
    routing: Routing | None = None
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """What is measured: a target, a task and options."""

    target: Target
    task: Task
    options: Options = Options()
