from __future__ import annotations

from pathlib import Path

import pytest

from mlxbench.environment.stalls import collect_stalls, parse_stall
from tests.environment.recordings import recorded


def test_a_stall_is_the_share_in_which_some_task_waited() -> None:
    assert parse_stall(recorded("pressure_cpu.txt")) == pytest.approx(0.315)
    assert parse_stall(recorded("pressure_memory.txt")) == 0.0


@pytest.mark.parametrize(
    "text", [None, "", "some avg10=1e9 ", "some avg10=100.01 avg60=", "full avg10=3.00 avg60=0.00"]
)
def test_a_malformed_or_impossible_stall_is_unknown(text: str | None) -> None:
    assert parse_stall(text) is None


def test_only_what_the_kernel_tells_is_collected(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text(recorded("pressure_cpu.txt"))
    (tmp_path / "io").write_text("nonsense")

    assert collect_stalls(tmp_path) == {"cpu": pytest.approx(0.315)}
    assert collect_stalls(tmp_path / "absent") == {}
