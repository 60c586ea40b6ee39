"""Ollama on this machine: does it hold models that take memory and perhaps the accelerator?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlxbench.doctor.finding import Finding
from mlxbench.doctor.units import in_gib
from mlxbench.engines.ollama.api import Api, Resident
from mlxbench.errors import InputError
from mlxbench.http_client import Client, Limits, ServerFault, clean, ollama_address
from mlxbench.http_client.address import Address

QUICK = Limits(total_s=1.0, idle_s=0.8)
NAMED = 4
LONGEST_NAME = 80


def ollama(url: str | None) -> Finding:
    """What the server at `url`, else at OLLAMA_HOST or the usual place, holds.

    Only loopback is asked. Raises InputError for a `url` that is no address on this machine.
    """
    try:
        address = ollama_address(url, allow_remote=False)
    except InputError as error:
        if url is not None:
            raise InputError(
                error.problem, "give a port of this machine: --url 127.0.0.1:11434"
            ) from error
        return Finding("ollama", "unknown", f"not asked: {error.problem}")
    try:
        with _Quick(address) as client:
            api = Api(client)
            return residents(api.version(), api.residents())
    except ServerFault as fault:
        return _silent(fault, address, asked_for=url is not None)


class _Quick(Client):
    """A client that waits no longer for any answer than a person would for a list of findings."""

    def get(self, path: str, limits: Limits = QUICK) -> Mapping[str, Any]:
        return super().get(path, limits)


def residents(version: str, loaded: list[Resident]) -> Finding:
    """A warning that names the loaded models, the largest first."""
    running = f"{clean(version)[:LONGEST_NAME]} runs"
    if not loaded:
        return Finding("ollama", "ok", f"{running} and holds no model")
    by_size = sorted(loaded, key=lambda one: -one.size)
    names = [clean(one.name)[:LONGEST_NAME] for one in by_size]
    named = [f"{name} ({in_gib(one.size)})" for name, one in zip(names, by_size, strict=True)]
    more = ", …" if len(named) > NAMED else ""
    return Finding(
        "ollama",
        "warning",
        f"{running} and holds {', '.join(named[:NAMED])}{more}",
        " and ".join(f"`ollama stop {name}`" for name in names[:NAMED]),
    )


def _silent(fault: ServerFault, address: Address, asked_for: bool) -> Finding:
    """Nobody there is what most want; whoever named an address wanted somebody there."""
    if fault.reason != "connection":
        return Finding(
            "ollama",
            "warning",
            f"what answers at {address.url} is no Ollama as we know it: {fault.message}",
            "end it, or name the right address with --url or OLLAMA_HOST",
        )
    if asked_for:
        return Finding("ollama", "warning", fault.message, "start it with `ollama serve`")
    return Finding("ollama", "ok", fault.message)
