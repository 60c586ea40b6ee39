"""A test double of Ollama's HTTP API: three versions, two runners, and every fault we know of.

It is written from the API's documentation and the source of 0.6.6, 0.24.0 and 0.32.15; for the
first two its answers were compared with those of the built servers.

    with OllamaDouble(Behaviour("0.24.0", stop_after=5)) as double:
        ...talk to double.url...
        double.behaviour = replace(double.behaviour, fault="dies")
        double.asked("generate")[0].body["options"]

- `behaviour` says what it can be told, and the rules of each version
- `planning` makes the messages of an answer on a scripted clock, also without HTTP (`body`)
- `faults` is the table of what can go wrong, `replies` makes damaged answers by the thousand
- `serving` and `loading` are the server with its models; `asking` reads requests
"""

from tests.ollama_double.asking import Refusal
from tests.ollama_double.behaviour import RULES, WORDS, Behaviour, Canned, ModelCard
from tests.ollama_double.faults import FAULTS, damaged_body
from tests.ollama_double.loading import Resident
from tests.ollama_double.planning import body
from tests.ollama_double.replies import random_replies
from tests.ollama_double.serving import OllamaDouble, Request

__all__ = [
    "FAULTS",
    "RULES",
    "WORDS",
    "Behaviour",
    "Canned",
    "ModelCard",
    "OllamaDouble",
    "Refusal",
    "Request",
    "Resident",
    "body",
    "damaged_body",
    "random_replies",
]
