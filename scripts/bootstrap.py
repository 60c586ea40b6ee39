"""Make the project's own Python environment, and print where its commands lie.

Runs before anything of ours is installed, so it uses the standard library only. The environment is
made on first use and again whenever what it is made from has changed: `pyproject.toml`, the pinned
versions in `constraints.txt`, the interpreter or the MLX build. uv is used where it is installed,
venv and pip elsewhere.

On Linux `MLXBENCH_BACKEND` chooses the MLX build: `cpu` (the default), `cuda12` or `cuda13`. CPU
and CUDA builds cannot share an environment, so each has its own. On macOS MLX always brings Metal.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("cpu", "cuda12", "cuda13")
OLDEST_PYTHON = (3, 11)


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        sys.exit("mlxbench needs Python 3.11 or newer; put one first on PATH as python3")
    wanted = extras(with_tools="--dev" in sys.argv[1:])
    environment = ROOT / (".venv" if backend() == "cpu" else f".venv-{backend()}")
    with (ROOT / f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two first uses at once must not share one half-made venv
        if not current(environment, wanted):
            make(environment, wanted)
    print(environment / "bin")


def backend() -> str:
    chosen = os.environ.get("MLXBENCH_BACKEND") or "cpu"
    if chosen not in BACKENDS:
        sys.exit(f"MLXBENCH_BACKEND is {chosen!r}; set it to one of {', '.join(BACKENDS)}")
    return chosen


def extras(with_tools: bool) -> list[str]:
    """The extras to install; a backend means nothing on macOS, where its marker is false."""
    return [backend(), "gguf", "dev"] if with_tools else [backend(), "gguf"]


def fingerprint() -> str:
    sources = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*sources, sys.version.encode(), bytes(ROOT)])).hexdigest()


def current(environment: Path, wanted: list[str]) -> bool:
    stamp = environment / "mlxbench-stamp"
    if not stamp.is_file():
        return False
    made_from, *installed = stamp.read_text().split()
    return made_from == fingerprint() and set(wanted) <= set(installed)


def make(environment: Path, wanted: list[str]) -> None:
    print(f"Making {environment.name} (once; a minute or two) …", file=sys.stderr)
    uv = shutil.which("uv")
    python = str(environment / "bin" / "python")
    create = [uv, "venv", "--clear", "--python", sys.executable] if uv else venv_command()
    install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    run([*create, str(environment)])
    what = ["-c", "constraints.txt", "-e", f".[{','.join(wanted)}]"]
    run([*install, "--quiet", *what])
    (environment / "mlxbench-stamp").write_text(" ".join([fingerprint(), *wanted]))


def venv_command() -> list[str]:
    return [sys.executable, "-m", "venv", "--clear"]


def run(command: list[str]) -> None:
    # Everything a tool prints goes to stderr: stdout carries only the path that the caller reads.
    quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, env=quiet, check=False)
    if done.returncode != 0:
        sys.exit(f"making the environment failed at: {' '.join(command)}; see the lines above")


if __name__ == "__main__":
    main()
