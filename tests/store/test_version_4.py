"""Probes, as version 4 of the store brought them.

`tests/data/store_v4.sqlite` was made once, by adding `PROBED` to a new store; see
`test_old_versions` for why it is never made again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mlxbench.records import (
    BAN,
    Arm,
    Checkpoint,
    Completed,
    Environment,
    ExpertBias,
    Failed,
    Message,
    Options,
    Probe,
    Question,
    Routing,
    Run,
    Sampler,
    Target,
    TrialRecord,
)
from mlxbench.store import Store

GOLDEN_FILE = Path(__file__).parents[1] / "data" / "store_v4.sqlite"
UTC = "2026-11-27T01:40:00Z"

PROBED = Run(
    run_id="20261127-014000-36f8a1",
    created_utc=UTC,
    command="mlxbench probe --model qwen3-30b-a3b --suite all",
    arm=Arm(
        Target("mlx", "qwen3-30b-a3b", "~/checkpoint", source="hub"),
        Probe(
            "heldout",
            (
                Question("heldout-01", "REST IS WORK", (Message("user", "a\\n\n“poem”"),)),
                Question("control-shuffled-01", None, (Message("user", "another"),)),
            ),
            samples=2,
            sampler=Sampler(0.6, 0.95, 20, seed=7),
            token_budget=16_384,
            thinking=False,
            batch_size=4,
        ),
        Options(
            routing=Routing(
                4, (ExpertBias(None, 3, BAN), ExpertBias(2, 1, 0.5)), selection_only=False
            )
        ),
    ),
    workload="standard",
    environment=Environment(os="macOS"),
    checkpoint=Checkpoint("qwen3-30b-a3b", "hub", "~/checkpoint", fingerprint="a" * 64),
    status="failed",
    trials=(
        TrialRecord(
            0,
            "measured",
            UTC,
            Completed(
                clock="device",
                stamps=(0.5, 0.54),
                duration_s=0.54,
                prompt_tokens=300,
                generated_tokens=2,
                batch_size=1,
                finish_reason="stop",
                tokens=((7, 8),),
                text="<think>\n</think>\x1b[2J",
                native={"machine_s": 0.2, "batch_size": 4.0},
            ),
        ),
        TrialRecord(3, "measured", UTC, Failed("engine_error", "no more", 1.0)),
    ),
)


def test_a_store_of_version_4_gives_back_a_probe(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copy(GOLDEN_FILE, path)
    with Store.open(path) as store:
        assert store.run(PROBED.run_id) == PROBED


def test_places_lead_to_questions_sample_by_sample() -> None:
    probe = PROBED.arm.task
    assert isinstance(probe, Probe)
    assert probe.replies == 4
    assert [probe.question(place).item for place in range(4)] == [
        *["heldout-01"] * 2,
        *["control-shuffled-01"] * 2,
    ]
    assert probe.request(2).messages[0].content == "another"
