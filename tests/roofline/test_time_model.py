"""The two constants of a machine: recovered where points determine them, refused where not."""

from __future__ import annotations

import pytest

from mlxbench import registry, roofline
from mlxbench.records import Shape
from mlxbench.roofline import Observation, TimeModel, error_of, fit, leave_one_out

TRUE = TimeModel(bandwidth=1e9, kernel_s=1e-6, points=3)


def observed(name: str, read: float, kernels: float, factor: float = 1.0) -> Observation:
    return Observation(name, read, kernels, factor * TRUE.seconds(read, kernels))


POINTS = [observed("a", 1e6, 1_000), observed("b", 5e6, 500), observed("c", 2e8, 700)]


def test_a_token_costs_its_bytes_and_its_kernels() -> None:
    # 2 MB at 1 GB/s are 2 ms; 300 kernels of 1 µs are 0.3 ms
    assert TRUE.seconds(2e6, 300) == pytest.approx(2.3e-3)


def test_exact_times_give_their_constants_back() -> None:
    found = fit(POINTS)
    assert found is not None
    assert found.bandwidth == pytest.approx(1e9)
    assert found.kernel_s == pytest.approx(1e-6)
    assert found.points == 3


def test_two_points_are_enough_and_are_met_exactly() -> None:
    found = fit(POINTS[:2])
    assert found is not None
    assert [error_of(found, point) for point in POINTS[:2]] == pytest.approx([0, 0], abs=1e-12)


def test_relative_errors_count_so_that_a_slow_model_does_not_rule_the_fit() -> None:
    # The slow point is 10 % off. On absolute errors its 20 ms would decide everything, and the
    # fast points would be missed by far more than it is.
    found = fit([*POINTS[:2], observed("slow", 2e8, 700, factor=1.1)])
    assert found is not None
    assert max(abs(error_of(found, point)) for point in POINTS[:2]) < 0.06
    assert abs(error_of(found, POINTS[2])) < 0.1


@pytest.mark.parametrize(
    "points",
    [
        [],
        POINTS[:1],
        [POINTS[0]] * 4,
        [observed("a", 1e6, 100), observed("b", 2e6, 200)],  # bytes and kernels in proportion
        [Observation("a", 1e6, 100, 1.0), Observation("b", 2e6, 50, 0.1)],  # more bytes, less time
    ],
    ids=["none", "one", "one repeated", "in proportion", "negative"],
)
def test_points_that_do_not_determine_two_positive_constants_give_no_fit(
    points: list[Observation],
) -> None:
    assert fit(points) is None


def test_each_point_is_predicted_by_a_fit_of_the_others() -> None:
    points = [*POINTS, observed("odd", 3e6, 900, factor=2.0)]
    errors = leave_one_out(points)
    assert errors[3] == pytest.approx(-0.5)  # the three others are exact: half the time it took
    assert leave_one_out(POINTS) == pytest.approx([0, 0, 0], abs=1e-12)


def test_without_enough_others_a_point_has_no_error() -> None:
    assert leave_one_out(POINTS[:2]) == [None, None]


# ---- the lab note's post-mortem -----------------------------------------------------------------

# Ollama 0.6.6 on an M3 Ultra, q4_k_m: tokens per second, kernels per token, and the share of the
# ceiling at 819 GB/s that was published beside them.
LAB_NOTE = {
    "qwen3-30b-a3b": (72.1, 1_829, 0.177),
    "qwen3-32b": (25.4, 1_541, 0.615),
    "qwen3-235b-a22b": (23.3, 3_577, 0.381),
}
FITTED_ON = ("qwen3-30b-a3b", "qwen3-32b")


def shape_of(name: str) -> Shape:
    shape = registry.load()[name].shape
    assert shape is not None
    return shape


def predicted_235b(read: dict[str, float]) -> tuple[TimeModel, float]:
    """Constants from the two smaller models, and tokens per second of the third."""
    found = fit(
        [
            Observation(name, read[name], LAB_NOTE[name][1], 1 / LAB_NOTE[name][0])
            for name in FITTED_ON
        ]
    )
    assert found is not None
    large = "qwen3-235b-a22b"
    return found, 1 / found.seconds(read[large], LAB_NOTE[large][1])


def test_the_lab_notes_shares_give_its_constants_and_its_prediction() -> None:
    read = {name: share * 819e9 / tps for name, (tps, _, share) in LAB_NOTE.items()}
    found, tps = predicted_235b(read)
    assert found.bandwidth == pytest.approx(655e9, abs=0.5e9)
    assert found.kernel_s == pytest.approx(5.9e-6, abs=0.05e-6)
    assert f"{tps:.1f}" == "24.1"
    assert tps / LAB_NOTE["qwen3-235b-a22b"][0] - 1 == pytest.approx(0.033, abs=0.001)


def test_bytes_worked_out_from_the_format_predict_the_same_within_a_percent() -> None:
    read: dict[str, float] = {
        name: roofline.q4_k_m_active_bytes(shape_of(name)) for name in LAB_NOTE
    }
    found, tps = predicted_235b(read)
    assert found.bandwidth == pytest.approx(655e9, rel=0.03)
    assert found.kernel_s == pytest.approx(5.9e-6, rel=0.01)
    assert tps == pytest.approx(24.1, rel=0.01)


def test_most_of_the_sparse_models_token_was_kernels_not_bytes() -> None:
    tps, kernels, share = LAB_NOTE["qwen3-30b-a3b"]
    found, _ = predicted_235b({name: s * 819e9 / t for name, (t, _, s) in LAB_NOTE.items()})
    assert kernels * found.kernel_s * tps == pytest.approx(0.78, abs=0.01)
    assert share * 819e9 / tps == pytest.approx(2.0e9, rel=0.01)
