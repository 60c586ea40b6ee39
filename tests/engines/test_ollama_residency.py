"""Other models of the server: refused, or set aside and restored; and our own keep-alive."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlxbench import engines
from mlxbench.engines.ollama import OllamaLoaded
from mlxbench.errors import MeasurementError
from mlxbench.records import Completed, Options, Target, Timed
from mlxbench.tokenizer import Tokenizer
from tests.ollama_double import Behaviour, ModelCard, OllamaDouble
from tests.ollama_double.client import post

MODELS = (ModelCard(), ModelCard("other:1b"), ModelCard("third:2b"))
REQUEST = Timed("request", prompt_tokens=20, generation_tokens=4)


def serving(tiny_dense: Path, version: str = "0.24.0") -> OllamaDouble:
    return OllamaDouble(Behaviour(version, encode=Tokenizer(tiny_dense).encode), MODELS)


def load(double: OllamaDouble, name: str, keep_alive: object, **options: int) -> None:
    post(double, {"model": name, "keep_alive": keep_alive, "options": options})


def remaining_s(double: OllamaDouble, name: str) -> float:
    """What is left of a model's time; infinite for ever."""
    from mlxbench.engines.ollama.api import Api
    from mlxbench.http_client import Client, parse_address

    client = Client(parse_address(double.url, 11434, allow_remote=False))
    resident = Api(client).resident(name)
    client.close()
    assert resident is not None, f"{name} is not loaded"
    return resident.keep_alive_s


def names(double: OllamaDouble) -> set[str]:
    time.sleep(0.03)  # an unloaded model shows for a moment
    return {resident.card.name for resident in double.residents}


def opened(double: OllamaDouble, tokenizer: Path, unload: bool = False) -> OllamaLoaded:
    target = Target(
        "ollama", "qwen3:tiny", double.url, "server", tokenizer=str(tokenizer), unload=unload
    )
    loaded = engines.engine("ollama").open(target)
    assert isinstance(loaded, OllamaLoaded)
    return loaded


def measure(loaded: OllamaLoaded) -> None:
    trial = loaded.run(REQUEST, Options(), seed=1)
    assert isinstance(trial, Completed), trial


def test_another_loaded_model_is_refused_with_advice(tiny_dense: Path) -> None:
    with serving(tiny_dense) as double:
        load(double, "other:1b", 60)
        with pytest.raises(MeasurementError, match=r"other:1b.*`ollama stop other:1b`.*--unload"):
            opened(double, tiny_dense)
        assert names(double) == {"other:1b"}


@pytest.mark.parametrize("version", ["0.6.6", "0.24.0", "0.32.15"])
def test_with_unload_others_are_set_aside_and_restored_with_their_time(
    tiny_dense: Path, version: str
) -> None:
    with serving(tiny_dense, version) as double:
        load(double, "other:1b", 600)
        load(double, "third:2b", -1)
        loaded = opened(double, tiny_dense, unload=True)
        measure(loaded)
        assert names(double) == {"qwen3:tiny"}
        loaded.close()
        assert names(double) == {"other:1b", "third:2b"}
        assert 590 < remaining_s(double, "other:1b") <= 600
        assert remaining_s(double, "third:2b") == float("inf")


def test_a_model_that_was_not_loaded_before_is_unloaded_afterwards(tiny_dense: Path) -> None:
    with serving(tiny_dense) as double:
        loaded = opened(double, tiny_dense)
        measure(loaded)
        assert remaining_s(double, "qwen3:tiny") == float("inf")
        loaded.close()
        assert names(double) == set()


def test_a_model_that_was_loaded_before_gets_its_own_time_and_context_back(
    tiny_dense: Path,
) -> None:
    with serving(tiny_dense) as double:
        load(double, "qwen3:tiny", 300, num_ctx=1024)
        loaded = opened(double, tiny_dense)
        measure(loaded)
        loaded.close()
        assert 290 < remaining_s(double, "qwen3:tiny") <= 300
        assert [resident.num_ctx for resident in double.residents] == [1024]


def test_closing_twice_restores_once(tiny_dense: Path) -> None:
    with serving(tiny_dense) as double:
        load(double, "qwen3:tiny", 300)
        loaded = opened(double, tiny_dense)
        loaded.close()
        loads = len(double.asked("load"))
        loaded.close()
        assert len(double.asked("load")) == loads


def test_two_models_under_test_do_not_refuse_each_other(tiny_dense: Path) -> None:
    with serving(tiny_dense) as double:
        first = opened(double, tiny_dense)
        measure(first)
        target = Target("ollama", "other:1b", double.url, "server", tokenizer=str(tiny_dense))
        second = engines.engine("ollama").open(target)
        trial = second.run(REQUEST, Options(), seed=2)
        assert isinstance(trial, Completed)
        second.close()
        first.close()
        assert names(double) == set()


def test_a_server_that_is_gone_does_not_stop_the_closing(tiny_dense: Path) -> None:
    with serving(tiny_dense) as double:
        loaded = opened(double, tiny_dense)
        measure(loaded)
    loaded.close()
