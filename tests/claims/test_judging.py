"""The rules that turn intervals into verdicts, worked by hand."""

from __future__ import annotations

import pytest

from mlxbench.claims import Passes
from mlxbench.claims.judging import at_least, better_replies, bounded, inverse, times, unchanged
from mlxbench.stats import Estimate
from tests.claims.subjects import estimate, speed


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (4.0, 4.4, "supported"),  # the whole interval at or above the lower figure
        (3.9, 6.0, "inconclusive"),
        (1.0, 3.99, "not supported"),
        (None, None, "inconclusive"),
        (4.1, None, "supported"),
        (0.9, 4.0, "inconclusive"),  # 4 itself is still possible
    ],
)
def test_a_gain_is_held_to_the_lower_figure_of_its_claim(
    low: float | None, high: float | None, word: str
) -> None:
    assert at_least(estimate(4.0, low, high), 4.0) == word


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(5.0, 6.0, "inconclusive"), (1.0, 3.9, "not supported"), (3.0, 5.0, "inconclusive")],
)
def test_an_upper_bound_refutes_and_never_supports(low: float, high: float, word: str) -> None:
    assert bounded(estimate(4.0, low, high), 4.0) == word


def test_no_change_needs_equivalence_and_not_just_no_difference() -> None:
    assert unchanged(speed(1.0, 0.98, 1.02)) == "inconclusive"
    assert unchanged(speed(1.0, 0.989, 1.011, "equivalent")) == "supported"
    assert unchanged(speed(1.004, 1.001, 1.007, "faster")) == "supported"  # all within 1 %
    assert unchanged(speed(1.02, 1.005, 1.035, "faster")) == "inconclusive"
    assert unchanged(speed(1.05, 1.02, 1.08, "faster")) == "not supported"
    assert unchanged(speed(0.95, 0.92, 0.98, "slower")) == "not supported"


def test_the_margin_of_equivalence_is_the_same_both_ways() -> None:
    assert unchanged(speed(0.995, 1 / 1.0099, 0.999, "slower")) == "supported"
    assert unchanged(speed(0.995, 1 / 1.0101, 0.999, "slower")) == "inconclusive"


def test_the_inverse_of_a_ratio_turns_its_interval_round() -> None:
    assert inverse(estimate(2.0, 1.6, 2.5)) == estimate(0.5, 0.4, 0.625)
    assert inverse(estimate(2.0, None, None)) == estimate(0.5, None, None)


def test_ratios_near_one_are_shown_to_a_thousandth() -> None:
    assert times(estimate(1.0034, 0.9978, 1.0081)) == "×1.003 (0.998–1.008)"
    assert times(estimate(4.123, 3.9, 4.35)) == "×4.12 (3.9–4.35)"
    assert times(Estimate(1.27, None, None, 4)) == "×1.27"


def test_replies_that_get_better_support_the_claim() -> None:
    # 1/20 against 19/20: Newcombe's interval of the difference is far above 0.
    found = better_replies(Passes(1, 20), {"8 experts": Passes(19, 20)}, "sparsity")
    assert found.word == "supported"
    assert found.effect is not None
    assert found.effect.value == pytest.approx(0.9)
    assert "1/20 pass as it is, 19/20 with 8 experts" in found.sentence


def test_replies_that_fail_either_way_refute_it() -> None:
    others = {"8 experts": Passes(1, 20), "the dense model": Passes(0, 20)}
    assert better_replies(Passes(0, 20), others, "sparsity").word == "not supported"


def test_a_model_that_passes_as_it_is_leaves_nothing_to_explain() -> None:
    found = better_replies(Passes(19, 20), {"8 experts": Passes(20, 20)}, "sparsity")
    assert found.word == "not supported"
    assert "mostly passes" in found.sentence


def test_few_replies_decide_nothing() -> None:
    assert better_replies(Passes(0, 2), {"greedy": Passes(1, 1)}, "sampling").word == "inconclusive"


def test_the_best_of_several_is_held_to_a_stricter_level() -> None:
    # 5/20 against 0/20: Newcombe gives 0.01 to 0.47 at 95 %, and reaches below 0 at 98.75 %.
    one = {"8 experts": Passes(5, 20)}
    assert better_replies(Passes(0, 20), one, "sparsity").word == "supported"
    four = one | {f"{k} experts": Passes(3, 20) for k in (2, 4, 16)}
    found = better_replies(Passes(0, 20), four, "sparsity")
    assert found.word != "supported"
    assert found.effect is not None
    assert found.effect.low is not None
    assert found.effect.low < 0
