"""mlx_lm.server, the real one, in a process of its own on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlxbench.http_client import Address, Client, ServerFault

READY_WITHIN_S = 60.0


@contextmanager
def mlx_server(checkpoint: Path, home: Path) -> Iterator[str]:
    """Its address, once it answers; its log lies in `home`, which has no Hugging Face cache."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "mlx_lm", "server", "--host", "127.0.0.1"]
    foreign = ("HF_", "HUGGING", "MLXBENCH", "OPENAI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--model", str(checkpoint)],
            env={**kept, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hf")},
            stdout=log,
            stderr=log,
        )
        try:
            _wait(process, Address("http", "127.0.0.1", port), home / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    client, deadline = Client(address), time.monotonic() + READY_WITHIN_S
    while True:
        try:
            client.get("/health")
        except ServerFault:
            late = time.monotonic() > deadline
            assert process.poll() is None and not late, log.read_text()
            time.sleep(0.05)
        else:
            return client.close()
