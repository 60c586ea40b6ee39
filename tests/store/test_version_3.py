"""Runs of servers, as version 3 of the store brought them.

`tests/data/store_v3.sqlite` was made once, by adding `SERVED` to a new store; see
`test_old_versions` for why it is never made again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mlxbench.records import (
    Arm,
    Checkpoint,
    Completed,
    Environment,
    Failed,
    Notice,
    Run,
    Target,
    Timed,
    TrialRecord,
)
from mlxbench.store import Store

GOLDEN_FILE = Path(__file__).parents[1] / "data" / "store_v3.sqlite"
UTC = "2026-11-26T20:30:27Z"

SERVED = Run(
    run_id="20261126-203027-36f8",
    created_utc=UTC,
    command="mlxbench ab --model qwen3-30b-a3b",
    arm=Arm(
        Target(
            "ollama",
            "qwen3:30b-a3b",
            "http://127.0.0.1:11434",
            source="server",
            tokenizer="~/checkpoint",
            allow_remote=True,
            unload=True,
        ),
        Timed("request", 512, 3),
    ),
    workload="comparison",
    environment=Environment(os="Linux"),
    checkpoint=Checkpoint(
        name="qwen3:30b-a3b",
        source="server",
        directory="",
        fingerprint="a" * 64,
        weight_bytes=18_600_000_000,
        bits_per_weight=4.87,
        quantization={"": "Q4_K_M"},
        model_type="qwen3moe",
        params_active=3_000_000_000,
        kv_bytes_per_token=98_304,
        serving={"program": "Ollama", "version": "0.6.6", "runner": "gguf", "counting": "N by N-1"},
    ),
    status="done",
    trials=(
        TrialRecord(
            0,
            "measured",
            UTC,
            Completed(
                clock="server",
                stamps=(0.5, 0.54),
                duration_s=0.55,
                prompt_tokens=512,
                generated_tokens=3,
                batch_size=1,
                finish_reason="length",
                text=" one two three",
                native={"decode_tps": 75.0, "prefill_tps": 1100.0, "eval_s": 0.04},
                notices=(Notice("partly-on-cpu", "only half of it", "free memory"),),
            ),
        ),
        TrialRecord(1, "measured", UTC, Failed("early_stop", "2 of 3 tokens came (stop)")),
    ),
)


def test_a_store_of_version_3_gives_back_a_servers_run(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copy(GOLDEN_FILE, path)
    with Store.open(path) as store:
        assert store.run(SERVED.run_id) == SERVED
        facts = store.trial_facts([SERVED.run_id])[SERVED.run_id]
    assert (facts.status, facts.generated_tokens) == (("completed", "early_stop"), (3, None))
