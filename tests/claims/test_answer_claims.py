"""Claims about answers and estimates: arms and judges, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.claims import (
    Judgement,
    Passes,
    bytes_model,
    decoding,
    experts,
    precision,
)
from tests.claims.judged import POEM, effect, judged
from tests.claims.subjects import (
    DENSE,
    MOE,
    a_model,
    a_subject,
    estimate,
    evidence,
    speed,
)
from tests.synthetic.shapes import QWEN3_30B, QWEN3_235B

# ---- experts -------------------------------------------------------------------------------------


def test_experts_go_up_to_what_the_model_has_and_the_dense_model_stands_beside() -> None:
    setup = experts.setup(a_subject(MOE, a_model("dense", DENSE)))
    assert list(setup.parts[0].arms) == [
        *("1 expert", "2 experts", "4 experts", "8 experts", "16 experts")
    ]
    own = setup.parts[0].arms["4 experts"]
    assert own.options.routing is None
    assert setup.parts[1].arms["dense"].target.model == "dense"
    few = experts.setup(a_subject(replace(MOE, num_experts=6, num_experts_per_tok=3)))
    assert list(few.parts[0].arms) == ["1 expert", "2 experts", "3 experts", "4 experts"]


def test_speed_alone_says_nothing_of_answers() -> None:
    setup = experts.setup(a_subject())
    speeds = {
        ("experts per token", "4 experts"): speed(0.8, 0.75, 0.85),
        ("experts per token", "16 experts"): speed(0.4, 0.35, 0.45),
    }
    shown = evidence(setup, speeds)
    found = judged(experts.judge, shown)
    assert found.word == "inconclusive"
    assert effect(found).value == pytest.approx(1.25)
    failing = {"as it is": Passes(0, 20), "8 experts": Passes(0, 20)}
    found = judged(experts.judge, replace(shown, probes=failing))
    assert found.word == "not supported"


def test_the_poem_is_put_to_more_experts_and_to_the_dense_model() -> None:
    arms = experts.probes(a_subject(MOE, a_model("dense", DENSE)), POEM)
    assert list(arms) == ["as it is", "8 experts", "the dense dense"]
    assert arms["8 experts"].options.routing is not None


# ---- precision -----------------------------------------------------------------------------------


def test_named_builds_of_the_same_shape_are_compared_rather_than_random_ones() -> None:
    eight = a_model("eight", MOE, bits=8.5)
    setup = precision.setup(a_subject(MOE, eight, a_model("dense", DENSE, bits=6.5)))
    assert list(setup.parts[0].arms) == [
        "first of 4.5 bits per weight",
        "eight of 8.5 bits per weight",
    ]
    assert list(precision.probes(a_subject(MOE, eight), POEM)) == list(setup.parts[0].arms)
    assert precision.probes(a_subject(MOE), POEM) == {}


def test_the_first_model_stays_the_first_and_no_build_takes_the_place_of_another() -> None:
    others = (a_model("wide", MOE, 16), a_model("twin", MOE, 4.5), a_model("narrow", MOE, 3.5))
    setup = precision.setup(a_subject(MOE, *others))
    names = [arm.target.model for arm in setup.parts[0].arms.values()]
    assert names == ["first", "narrow", "twin", "wide"]
    # Twins tell nothing of precision: random weights of other precisions do.
    twins = precision.setup(a_subject(MOE, a_model("twin", MOE, 4.5)))
    assert next(iter(twins.parts[0].arms)) == "4 bits"


def test_shapes_that_are_not_known_are_not_the_same_shape() -> None:
    subject = a_subject(None, a_model("other", None, bits=8.5))
    assert precision.unfit(subject) is not None
    assert precision.probes(subject, POEM) == {}


def test_only_builds_of_more_bits_can_show_that_rounding_is_to_blame() -> None:
    subject = a_subject(MOE, a_model("narrow", MOE, 3.5), a_model("wide", MOE, 8.5))
    setup = precision.setup(subject)
    first, narrow, wide = setup.parts[0].arms
    shown = evidence(setup, {("precisions", wide): speed(0.6, 0.5, 0.7)})
    replies = {first: Passes(0, 20), narrow: Passes(20, 20), wide: Passes(0, 20)}
    found = judged(precision.judge, replace(shown, probes=replies))
    assert found.word == "not supported"
    found = judged(precision.judge, replace(shown, probes={**replies, wide: Passes(20, 20)}))
    assert found.word == "supported"
    only_narrower = {first: Passes(0, 20), narrow: Passes(20, 20)}
    found = judged(precision.judge, replace(shown, probes=only_narrower))
    assert found.word == "inconclusive"


def test_large_shapes_are_cut_to_what_a_disk_can_bear() -> None:
    names = [arm.target.model for arm in precision.setup(a_subject()).parts[0].arms.values()]
    assert names == [f"first-None-{bits}" for bits in (4, 5, 6, 8, None)]
    # 0.62e9 weights of vocabulary and 0.62e9 a layer: 2.5 GB at 16 bits with one, 3.7 with two.
    large = precision.setup(a_subject(QWEN3_30B)).parts[0].arms.values()
    assert {arm.target.model.split("-")[1] for arm in large} == {"1"}


def test_time_against_bytes_gives_bandwidth_and_what_a_token_costs_besides() -> None:
    # 100 GB/s and 2 ms: 1e9 active weights at 4.5, 8 and 16 bits take 5.625, 10 and 20 ms more.
    subject = a_subject(MOE, *(a_model(name, MOE, bits) for name, bits in (("b", 8), ("c", 16))))
    setup = precision.setup(subject)
    rates = {}
    for (name, model), bits in zip(setup.models.items(), (4.5, 8, 16), strict=True):
        assert model.active_bytes == bits / 8 * 1e9
        rates[name] = estimate(1 / (0.002 + bits / 8 * 1e9 / 100e9), None, None)
    found = precision.line(evidence(setup, {}, rates))
    assert found is not None
    assert found.bandwidth == pytest.approx(100e9)
    assert found.kernel_s == pytest.approx(0.002)
    assert found.points == 3


# ---- decoding ------------------------------------------------------------------------------------


GREEDY_FAILS, GREEDY_PASSES = Passes(0, 1), Passes(1, 1)


@pytest.mark.parametrize(
    ("greedy", "sampled", "word", "said"),
    [
        # Wilson: 15/20 is 0.53 to 0.89, 14/20 is 0.48 to 0.85, 5/20 is 0.11 to 0.47.
        (GREEDY_FAILS, Passes(15, 20), "supported", "fails, and 15/20 sampled pass: sampling, wh"),
        (GREEDY_FAILS, Passes(14, 20), "inconclusive", "too few replies"),
        (GREEDY_FAILS, Passes(6, 20), "inconclusive", "too few replies"),
        (GREEDY_FAILS, Passes(5, 20), "not supported", "mostly fails as well"),
        (GREEDY_FAILS, Passes(0, 1), "inconclusive", "too few replies"),
        (GREEDY_PASSES, Passes(20, 20), "not supported", "cuts the most away, passes"),
        (GREEDY_PASSES, Passes(0, 20), "not supported", "cuts the most away, passes"),
    ],
)
def test_pruning_is_to_blame_only_if_sampling_mostly_passes_where_greedy_fails(
    greedy: Passes, sampled: Passes, word: str, said: str
) -> None:
    setup = decoding.setup(a_subject())
    shown = evidence(setup, {("drawing", "sampled"): speed(0.9, 0.88, 0.92)})
    probes = {"sampled": sampled, "greedy": greedy}
    found = judged(decoding.judge, replace(shown, probes=probes))
    assert found.word == word
    assert said in found.sentence


def test_the_greedy_reply_has_no_chance_in_it() -> None:
    # 15/20 less 0 and less 1: Wilson's interval of 15/20, moved.
    found = decoding.replies(GREEDY_FAILS, Passes(15, 20))
    assert (effect(found).value, effect(found).n) == (0.75, 20)
    assert effect(found).low == pytest.approx(0.5313, abs=1e-4)
    found = decoding.replies(GREEDY_PASSES, Passes(15, 20))
    assert effect(found).value == -0.25
    assert effect(found).low == pytest.approx(-0.4687, abs=1e-4)


def test_without_replies_decoding_has_a_speed_and_no_verdict() -> None:
    setup = decoding.setup(a_subject())
    shown = evidence(setup, {("drawing", "sampled"): speed(0.9, 0.88, 0.92)})
    found = judged(decoding.judge, shown)
    assert (found.word, found.effect) == ("inconclusive", estimate(0.9, 0.88, 0.92))


# ---- bytes-model ---------------------------------------------------------------------------------

# 500 GB/s and 4 µs a kernel: 1 GB and 500 kernels take 4 ms, 2 GB and 2000 12 ms, 4 GB and 1000 12.
SEEN = {"a": (1e9, 500, 0.004), "b": (2e9, 2000, 0.012), "first": (4e9, 1000, 0.012)}


def predicted(factor: float, spread: float = 1.0) -> Judgement:
    """What is judged when the first model is `factor` times as slow as the two constants say."""
    others = [a_model(name, MOE, 8, int(SEEN[name][0])) for name in ("a", "b")]
    subject = a_subject(MOE, *others)
    first = a_model("first", MOE, 8, int(SEEN["first"][0]))
    setup = bytes_model.setup(replace(subject, model=first))
    models = {
        name: replace(model, kernels_per_token=SEEN[model.target.model][1])
        for name, model in setup.models.items()
    }
    rates = {}
    for name, (_, _, seconds) in SEEN.items():
        tps = 1 / (seconds * (factor if name == "first" else 1))
        rates[name] = estimate(tps, tps / spread, tps * spread, 6)
    return judged(bytes_model.judge, evidence(replace(setup, models=models), {}, rates))


def test_a_model_that_the_constants_explain_refutes_five_times_off() -> None:
    found = predicted(1.0)
    assert found.word == "not supported"
    assert effect(found).value == pytest.approx(1.0)
    assert "500 GB/s and 4 µs a kernel put first at 83.3 tok/s" in found.sentence


@pytest.mark.parametrize("factor", [6.0, 1 / 6])
def test_a_model_six_times_off_either_way_supports_it(factor: float) -> None:
    found = predicted(factor)
    assert found.word == "supported"
    assert effect(found).value == pytest.approx(6)


def test_what_the_rates_leave_open_widens_the_factor() -> None:
    found = predicted(1.0, spread=1.05)
    assert effect(found).low == 1.0
    assert (effect(found).high or 0) > 1.05


def test_a_single_model_is_predicted_from_slices_of_its_shape() -> None:
    setup = bytes_model.setup(a_subject(MOE))
    assert sorted(setup.parts[0].arms) == ["first", "first-1-4", "first-2-4"]
    large = bytes_model.setup(a_subject(QWEN3_30B))
    # 0.31 GB of vocabulary and as much a layer: 3 GB hold eight layers, and the half of them.
    assert sorted(large.parts[0].arms) == ["first", "first-4-4", "first-8-4"]
    huge = bytes_model.setup(a_subject(QWEN3_235B))  # one layer alone fills them; two differ
    assert sorted(huge.parts[0].arms) == ["first", "first-1-4", "first-2-4"]
    one_layer = a_subject(replace(MOE, num_hidden_layers=1))
    assert bytes_model.unfit(one_layer) is not None


def test_a_mixture_that_runs_one_expert_is_held_against_more() -> None:
    setup = experts.setup(a_subject(replace(MOE, num_experts_per_tok=1)))
    shown = evidence(setup, {("experts per token", "16 experts"): speed(0.5, 0.4, 0.625)})
    found = judged(experts.judge, shown)
    assert effect(found) == estimate(2.0, 1.6, 2.5)
