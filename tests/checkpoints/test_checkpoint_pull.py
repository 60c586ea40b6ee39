"""The real huggingface_hub client, in processes of its own, against a hub on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints.tiny_checkpoint import (
    SHARD_1,
    SHARD_2,
    raw_safetensors,
    sharded_files,
    single_files,
)
from tests.loopback_hub import LoopbackHub

PROJECT = Path(__file__).parents[2]
DRIVER = Path(__file__).parent / "pull_driver.py"
CANARY = "hf_CanaryTokenThatNobodyMaySee"
CHUNK_BYTES = 10 * 1024**2  # what huggingface_hub writes at once


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub(sharded_files()) as running:
        yield running


def drive(
    hub: LoopbackHub, home: Path, action: str, reference: str = "", *more: str, **variables: str
) -> Any:
    """Call mlxbench.checkpoints in a new process; nothing but the answer may be printed."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), action, reference or hub.repository, *more],
        env=hub.environment(home, PYTHONPATH=str(PROJECT), **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert CANARY not in done.stdout + done.stderr
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert "\n" not in answer.get("message", "")
    return answer


def blobs(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "hf").rglob("blobs/*"))


def test_pull_fetches_verifies_and_records_the_commit(hub: LoopbackHub, tmp_path: Path) -> None:
    pulled = drive(hub, tmp_path, "pull")["value"]
    assert pulled["commit"] == hub.commit
    assert Path(pulled["directory"]).name == hub.commit
    weights = len(hub.files[SHARD_1]) + len(hub.files[SHARD_2])
    everything = sum(len(data) for data in hub.files.values())
    assert [weights, weights] in pulled["steps"]
    assert pulled["steps"][-1] == [everything, everything]
    assert drive(hub, tmp_path, "cached")["value"] == pulled["directory"]
    again = drive(hub, tmp_path, "pull")["value"]
    assert again["directory"] == pulled["directory"]
    assert len(hub.downloads(SHARD_1)) == 1


def test_a_pulled_checkpoint_resolves_is_listed_and_verifies_offline(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    directory = drive(hub, tmp_path, "pull")["value"]["directory"]
    asked, offline = len(hub.requests), {"HF_HUB_OFFLINE": "1"}
    name = f"hf:{hub.repository}"
    resolved = drive(hub, tmp_path, "resolve", name, **offline)["value"]
    assert (resolved["name"], resolved["revision"]) == (name, hub.commit)
    weights = len(hub.files[SHARD_1]) + len(hub.files[SHARD_2])
    assert drive(hub, tmp_path, "local", **offline)["value"] == [
        {"name": name, "path": directory, "bytes": weights}
    ]
    findings = drive(hub, tmp_path, "verify", **offline)["value"]["findings"]
    assert all(finding["ok"] for finding in findings)
    details = {finding["file"]: finding["detail"] for finding in findings}
    assert details[SHARD_1] == "size, sha256, header as expected"
    assert details["config.json"] == "size, git-sha1 as expected"
    assert drive(hub, tmp_path, "pull", **offline)["value"]["directory"] == directory
    assert len(hub.requests) == asked


def test_resolve_downloads_what_the_cache_lacks_at_the_revision_asked_for(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    reference = f"hf:{hub.repository}@{hub.commit}"
    resolved = drive(hub, tmp_path, "resolve", reference)["value"]
    assert (resolved["name"], resolved["source"]) == (reference, "hub")
    assert resolved["revision"] == hub.commit
    assert resolved["weight_bytes"] == 552


def test_only_data_files_of_the_top_directory_are_fetched(tmp_path: Path) -> None:
    names = ("modeling.py", "pytorch_model.bin", "a.pt", "LICENSE.py")
    unwanted = dict.fromkeys(names, b"import os")
    nested = {"onnx/config.json": b"{}", "original/model.safetensors": b"x"}
    wanted = {"chat_template.jinja": b"{{ x }}", "merges.txt": b"a b", "LICENSE": b"MIT"}
    with LoopbackHub(sharded_files() | unwanted | nested | wanted) as hub:
        directory = Path(drive(hub, tmp_path, "pull")["value"]["directory"])
    fetched = {path.relative_to(directory).as_posix() for path in directory.rglob("*")}
    assert fetched == set(sharded_files()) | set(wanted)


def test_a_connection_cut_inside_a_file_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    size = CHUNK_BYTES + 3_000_000
    header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    weights = raw_safetensors(json.dumps(header).encode(), bytes(size))
    with LoopbackHub(single_files() | {"model.safetensors": weights}) as hub:
        hub.cut_after("model.safetensors", CHUNK_BYTES + 1_000_000)
        assert drive(hub, tmp_path, "pull")["value"]["commit"] == hub.commit
        starts = [request.first_byte for request in hub.downloads("model.safetensors")]
    assert starts == [0, CHUNK_BYTES]


def test_a_hub_that_stays_away_is_reported_and_a_second_pull_resumes(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.cut_after(SHARD_2, 100, times=99)
    answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "HubError"
    assert "run the same command again" in answer["message"]
    assert drive(hub, tmp_path, "cached")["value"] is None
    hub.mend()
    assert drive(hub, tmp_path, "pull")["value"]["commit"] == hub.commit
    assert len(hub.downloads(SHARD_1)) == 1


def test_a_wrong_hash_is_named_and_removed_and_fetched_again(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.damage(SHARD_1)
    answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "HubError"
    assert SHARD_1 in answer["message"]
    assert "sha256" in answer["message"]
    assert len(blobs(tmp_path)) == len(hub.files) - 1
    hub.mend()
    assert drive(hub, tmp_path, "pull")["value"]["commit"] == hub.commit
    assert len(hub.downloads(SHARD_1)) == 2
    assert len(hub.downloads(SHARD_2)) == 1


def test_an_unwritable_cache_of_ours_costs_no_downloaded_file(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    (tmp_path / "mlxbench").write_bytes(b"a file where a directory should be")
    answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "InputError"
    assert "MLXBENCH_HOME" in answer["message"]
    assert len(blobs(tmp_path)) == len(hub.files)


def test_a_shard_that_the_hub_lists_but_lacks_is_reported(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.lose(SHARD_2)
    answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "HubError"
    assert "404" in answer["message"]


def test_a_shard_missing_from_the_repository_is_refused_by_name(tmp_path: Path) -> None:
    files = sharded_files()
    del files[SHARD_2]
    with LoopbackHub(files) as hub:
        answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "CheckpointError"
    assert f"lacks '{SHARD_2}'" in answer["message"]


def test_a_corrupt_shard_with_the_right_hash_is_refused_by_name(tmp_path: Path) -> None:
    with LoopbackHub(single_files() | {"model.safetensors": b"not safetensors"}) as hub:
        answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "CheckpointError"
    assert "model.safetensors is corrupt" in answer["message"]


def test_code_is_refused_before_weights_are_fetched_and_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    config = {"auto_map": {"AutoModel": "modeling.Model"}}
    code = f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"
    files = sharded_files() | {
        "config.json": json.dumps(config).encode(),
        "modeling.py": code.encode(),
    }
    with LoopbackHub(files) as hub:
        answer = drive(hub, tmp_path, "pull")
        assert answer["error"] == "CheckpointError"
        assert "auto_map" in answer["message"]
        assert hub.downloads("modeling.py") == []
        assert hub.downloads(SHARD_1) == []
    assert not canary.exists()


def test_pickled_weights_are_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    with LoopbackHub({"config.json": b"{}", "pytorch_model.bin": b"\x80\x04"}) as hub:
        answer = drive(hub, tmp_path, "pull")
        assert answer["error"] == "CheckpointError"
        assert "no model*.safetensors" in answer["message"]
        assert blobs(tmp_path) == []


def test_weights_that_do_not_fit_the_disk_are_refused_before_anything_is_fetched(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.claim_size(SHARD_1, 10**18)
    answer = drive(hub, tmp_path, "pull")
    assert answer["error"] == "DoesNotFitError"
    assert "1000000000.0 GB" in answer["message"]
    assert blobs(tmp_path) == []


def test_what_a_killed_pull_left_behind_is_cleared_away(hub: LoopbackHub, tmp_path: Path) -> None:
    blob = hub.described(SHARD_1)["lfs"]["sha256"]
    folder = tmp_path / "hf" / "hub" / "models--acme--tiny-moe-4bit" / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{blob}.deadbeef.incomplete").write_bytes(b"half")
    (folder / "of-another-commit.deadbeef.incomplete").write_bytes(b"half")
    drive(hub, tmp_path, "pull")
    assert [name for name in blobs(tmp_path) if name.endswith("incomplete")] == [
        "of-another-commit.deadbeef.incomplete"
    ]


def test_a_token_opens_a_gated_repository_and_is_never_shown(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    hub.require_token(CANARY)
    without = drive(hub, tmp_path, "pull")
    assert without["error"] == "HubError"
    assert "gated" in without["message"]
    assert "set HF_TOKEN" in without["message"]
    wrong = drive(hub, tmp_path, "pull", HF_TOKEN=CANARY + "x")
    assert "set HF_TOKEN" in wrong["message"]
    assert drive(hub, tmp_path, "pull", HF_TOKEN=CANARY)["value"]["commit"] == hub.commit
    leaked = [p for p in tmp_path.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
    assert leaked == []


@pytest.mark.parametrize(("status", "message"), [(401, "HF_TOKEN"), (503, "status 503")])
def test_a_hub_that_refuses_everything_is_reported(
    hub: LoopbackHub, tmp_path: Path, status: int, message: str
) -> None:
    hub.fail_with(status)
    answer = drive(hub, tmp_path, "pull", HF_TOKEN=CANARY)
    assert answer["error"] == "HubError"
    assert message in answer["message"]
    assert any(request.authorization == f"Bearer {CANARY}" for request in hub.requests)


def test_an_unknown_repository_and_an_unknown_revision_are_bad_input(
    hub: LoopbackHub, tmp_path: Path
) -> None:
    repository = drive(hub, tmp_path, "pull", "acme/absent", HF_TOKEN=CANARY)
    assert repository["error"] == "CheckpointError"
    assert "no repository 'acme/absent'" in repository["message"]
    revision = drive(hub, tmp_path, "pull", hub.repository, "v9", HF_TOKEN=CANARY)
    assert revision["error"] == "CheckpointError"
    assert "no revision 'v9'" in revision["message"]


def test_offline_and_not_cached_says_so_without_a_request(hub: LoopbackHub, tmp_path: Path) -> None:
    answer = drive(hub, tmp_path, "pull", HF_HUB_OFFLINE="1")
    assert answer["error"] == "HubError"
    assert "HF_HUB_OFFLINE" in answer["message"]
    assert hub.requests == []


def test_a_refused_connection_is_reported_without_the_user_in_the_address(tmp_path: Path) -> None:
    with LoopbackHub({}) as closed:
        pass
    address = closed.url.replace("//", f"//somebody:{CANARY}@")
    answer = drive(closed, tmp_path, "pull", HF_ENDPOINT=address)
    assert answer["error"] == "HubError"
    assert closed.url.removeprefix("http://") in answer["message"]
    assert "somebody" not in answer["message"]


def test_a_server_that_is_no_hub_is_reported(hub: LoopbackHub, tmp_path: Path) -> None:
    answer = drive(hub, tmp_path, "pull", HF_ENDPOINT="nowhere")
    assert answer["error"] == "HubError"
    assert "nowhere" in answer["message"]


def test_a_tokenizer_alone_is_fetched_without_the_weights(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.files["tokenizer.json"] = b"{}"
    directory = Path(drive(hub, tmp_path, "tokenizer")["value"])
    assert (directory / "tokenizer.json").read_bytes() == b"{}"
    assert hub.downloads(SHARD_1) == []
    assert drive(hub, tmp_path, "cached")["value"] is None
    asked = len(hub.requests)
    again = drive(hub, tmp_path, "tokenizer", HF_HUB_OFFLINE="1")["value"]
    assert (Path(again), len(hub.requests)) == (directory, asked)
