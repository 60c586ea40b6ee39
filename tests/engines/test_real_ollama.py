"""The real Ollama, where one answers at OLLAMA_HOST: it gets a tiny model and is left without it.

Without one these tests are skipped; `OLLAMA_HOST=127.0.0.1 ./scripts/test -m ollama` runs them.
"""

from __future__ import annotations

import hashlib
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mlxbench import checkpoints, engines, gguf_export
from mlxbench.engines.protocol import Loaded
from mlxbench.http_client import Client, ServerFault, ollama_address
from mlxbench.records import Completed, Options, Target, Timed

pytestmark = pytest.mark.ollama

NAME = "mlxbench-test-tiny-dense"
REQUEST = Timed("request", prompt_tokens=48, generation_tokens=24)
SEEDS = range(40, 50)


def answering() -> str | None:
    """The address of the Ollama that OLLAMA_HOST names, if it answers."""
    if not os.environ.get("OLLAMA_HOST"):
        return None
    with Client(ollama_address(None, allow_remote=False)) as client:
        try:
            client.get("/api/version")
        except ServerFault:
            return None
    return client.address.url


@pytest.fixture(scope="module")
def url() -> str:
    """The server's address.

    A skip, as for tests of a GPU: no package brings Ollama, so most machines have none, and one
    that happens to run is not ours to load models into unless somebody names it.
    """
    found = answering()
    if found is None:
        pytest.skip("no real Ollama answers at OLLAMA_HOST")
    return found


@pytest.fixture(scope="module")
def served(url: str, tiny_dense: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The exported tiny-dense, created there and deleted afterwards."""
    checkpoint = checkpoints.inspect(tiny_dense, "tiny-dense", "synthetic")
    exported = gguf_export.export(checkpoint, tmp_path_factory.mktemp("gguf"))
    file = Path(exported.gguf)
    content = file.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        http.post(f"/api/blobs/{digest}", content=content).raise_for_status()
        body = {"model": NAME, "files": {file.name: digest}, "stream": False}
        http.post("/api/create", json=body).raise_for_status()
        yield NAME
        http.request("DELETE", "/api/delete", json={"model": NAME}).raise_for_status()


@pytest.fixture(scope="module")
def loaded(url: str, served: str, tiny_dense: Path) -> Iterator[Loaded]:
    target = Target("ollama", served, url, "server", tokenizer=str(tiny_dense), unload=True)
    opened = engines.engine("ollama").open(target)
    yield opened
    opened.close()


def completed(loaded: Loaded, seed: int) -> Completed:
    trial = loaded.run(REQUEST, Options(), seed)
    assert isinstance(trial, Completed), trial
    return trial


def test_a_request_is_exactly_the_work_that_was_asked_for(loaded: Loaded) -> None:
    trial = completed(loaded, seed=30)
    assert (trial.prompt_tokens, trial.generated_tokens) == (48, 24)
    assert trial.finish_reason == "length"
    assert 0 < trial.stamps[0] < trial.stamps[-1] <= trial.duration_s


def test_native_and_common_rates_differ_by_the_rule(loaded: Loaded) -> None:
    ratios = []
    for seed in range(31, 38):
        trial = completed(loaded, seed)
        common = (trial.generated_tokens - 1) / (trial.stamps[-1] - trial.stamps[0])
        ratios.append(trial.native["decode_tps"] / common)
    # N/(N-1) = 1.043; versions that leave sampling out of the time are higher, noise is either way.
    assert 1.0 < statistics.median(ratios) < 1.25


def test_the_same_weights_say_the_same_until_a_close_call(loaded: Loaded, tiny_dense: Path) -> None:
    own = engines.engine("mlx").open(
        Target("mlx", "tiny-dense", str(tiny_dense), "synthetic", synthetic=True)
    )
    agreed = []
    for seed in SEEDS:
        ours, theirs = completed(own, seed).text or "", completed(loaded, seed).text or ""
        agreed.append(len(os.path.commonprefix([ours, theirs])) / len(ours))  # noqa: RUF071 - text
    own.close()
    # Two unlike models share next to nothing; these part where two tokens are within rounding.
    assert statistics.median(agreed) > 0.3
