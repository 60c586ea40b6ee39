"""Talking to a server that may misbehave, on this machine unless somebody allows another.

A benchmark must end, whatever the server does. So each exchange has a total deadline and an idle
one, a line and a body have largest sizes, no redirect is followed, no proxy of the environment is
used, and everything that can go wrong comes out as one `ServerFault` with a reason that a trial can
carry.

- `address` says where a server is, and that it is on this machine
- `exchange` sends requests and yields the lines of an answer with the time each arrived
- `numbers` reads JSON, in which a server can write NaN, 1e999 or a million brackets
- `faults` names what can go wrong
"""

from mlxbench.http_client.address import Address, ollama_address, parse_address
from mlxbench.http_client.exchange import CONTROL, GENERATION, Client, Limits, Line
from mlxbench.http_client.faults import ServerFault, clean

__all__ = [
    "CONTROL",
    "GENERATION",
    "Address",
    "Client",
    "Limits",
    "Line",
    "ServerFault",
    "clean",
    "ollama_address",
    "parse_address",
]
