"""Where a server is.

Ollama's own client reads `OLLAMA_HOST` by rules of its own (`envconfig.Host` in its source): no
scheme means http, and then no port means 11434; with `http://` or `https://` no port means 80 or
443; a port that is none is replaced by the default; a path is kept. The same rules hold here for
`--url`, so that what works in one place works in the other. `0.0.0.0` and `::`, which people write
to make the server listen everywhere, are reached through loopback.

A benchmark sends prompts, and perhaps a key, to whoever listens. So an address that is not loopback
is refused unless it was allowed. Names other than `localhost` count as remote: who knows where they
lead tomorrow.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass

from mlxbench.errors import InputError

OLLAMA_VARIABLE = "OLLAMA_HOST"
OLLAMA_PORT = 11434
OPENAI_PORT = 8080  # of mlx_lm.server and llama-server
LARGEST_PORT = 65535
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
PATH = re.compile(r"[A-Za-z0-9._~/-]*")
_ADVICE = "write host:port or http://host:port, such as 127.0.0.1:11434"


@dataclass(frozen=True, slots=True)
class Address:
    """A server's place; `path` has no slash at either end."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """As text, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" + (f"/{self.path}" if self.path else "")

    @property
    def is_loopback(self) -> bool:
        """Whether it can only be this machine."""
        address = _ip(self.host)
        return address.is_loopback if address else self.host.lower() == "localhost"


def ollama_address(given: str | None, allow_remote: bool) -> Address:
    """The Ollama server that was named, else that of `OLLAMA_HOST`, else the one on this machine.

    Raises InputError for what is no address, or is not on this machine and was not allowed.
    """
    if given is not None:
        return parse_address(given, OLLAMA_PORT, allow_remote)
    return parse_address(_from_environment(), OLLAMA_PORT, allow_remote, any_port=True)


def parse_address(
    text: str, default_port: int, allow_remote: bool, any_port: bool = False
) -> Address:
    """An address by Ollama's rules. Raises InputError.

    Ollama takes the default port for one that is none, which `any_port` allows: what somebody typed
    just now must not reach another server instead.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "http", text.strip()
    ports = {"http": 80 if separator else default_port, "https": 443}
    if scheme not in ports or "@" in rest:
        raise InputError(f"{text!r} is no server's address", _ADVICE)
    place, _, path = rest.partition("/")
    host, port = _host_and_port(place, ports[scheme], any_port)
    if port is None:
        raise InputError(f"{text!r} has no port from 0 to {LARGEST_PORT}", _ADVICE)
    path = path.strip("/")
    if not (_ip(host) or NAME.fullmatch(host)) or not PATH.fullmatch(path):
        raise InputError(f"{text!r} is no server's address", _ADVICE)
    address = Address(scheme, _reachable(host), port, path)
    if not allow_remote and not address.is_loopback:
        raise InputError(
            f"{address.url} is not on this machine",
            "measure where the server runs, or add --allow-remote if you trust it with prompts",
        )
    return address


def _from_environment() -> str:
    return os.environ.get(OLLAMA_VARIABLE, "").strip().strip("\"'")


def _host_and_port(place: str, default: int, any_port: bool) -> tuple[str, int | None]:
    """Host and port; no port where there is one that is none, unless any will do."""
    if _ip(place.strip("[]")):
        return place.strip("[]"), default
    host, colon, port = place.rpartition(":")
    if not colon:
        return place or "127.0.0.1", default
    valid = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= LARGEST_PORT
    found = int(port) if valid else default if any_port else None
    return host.strip("[]") or "127.0.0.1", found


def _reachable(host: str) -> str:
    address = _ip(host)
    if address is None or not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
