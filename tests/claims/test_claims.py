"""Each claim: what its arms are, and what its judge makes of them, worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mlxbench.claims import (
    CLAIMS,
    Evidence,
    Judgement,
    Passes,
    Speed,
    attention,
    bytes_model,
    decoding,
    experts,
    launch_latency,
    pick,
    precision,
    prefill_step,
    router_fusion,
)
from mlxbench.errors import InputError
from mlxbench.records import Probe, Timed
from mlxbench.stats import Estimate
from tests.claims.subjects import (
    DENSE,
    MOE,
    SAMPLER,
    a_model,
    a_subject,
    estimate,
    evidence,
    speed,
)
from tests.synthetic.shapes import QWEN3_30B, QWEN3_235B


def judged(judge: Callable[[Evidence], Judgement | None], shown: Evidence) -> Judgement:
    """A judgement that there must be."""
    found = judge(shown)
    assert found is not None
    return found


def effect(found: Judgement) -> Estimate:
    assert found.effect is not None
    return found.effect


POEM = Probe("fomo", (), 20, SAMPLER, 100)


def test_names_are_picked_in_the_notes_order_and_wrong_ones_are_told_the_right_ones() -> None:
    assert [claim.name for claim in pick(["experts", "sdpa"])] == ["sdpa", "experts"]
    assert pick([]) == list(CLAIMS)
    with pytest.raises(InputError, match="no claim named 'nope'; use router-fusion, sdpa, "):
        pick(["nope"])


def test_every_experiment_has_arms_that_differ_and_whose_first_is_only_one_of_them() -> None:
    subject = a_subject(QWEN3_30B, a_model("dense", DENSE))
    for claim in CLAIMS:
        assert claim.unfit(subject) is None
        for part in claim.setup(subject).parts:
            assert len(part.arms) >= 2, claim.name
            assert len(set(part.arms.values())) == len(part.arms), (claim.name, part.name)


def test_a_model_of_an_unknown_family_still_has_the_claims_that_need_no_shape() -> None:
    fit = [claim.name for claim in CLAIMS if claim.unfit(a_subject(None)) is None]
    assert fit == ["sdpa", "launch-latency", "prefill-step", "decoding"]


# ---- router-fusion -------------------------------------------------------------------------------


def test_routing_for_free_below_the_claim_refutes_it_without_a_kernel() -> None:
    setup = router_fusion.setup(a_subject())
    found = judged(
        router_fusion.judge, evidence(setup, {("bound", "free routing"): speed(1.1, 1.05, 1.2)})
    )
    assert (found.word, found.effect) == ("not supported", estimate(1.1, 1.05, 1.2))
    assert "bounds every fused router" in found.sentence


def test_routing_for_free_above_the_claim_shows_nothing_without_a_kernel() -> None:
    setup = router_fusion.setup(a_subject())
    found = judged(
        router_fusion.judge, evidence(setup, {("bound", "free routing"): speed(5, 4.5, 6)})
    )
    assert found.word == "inconclusive"


def test_a_kernel_that_can_be_timed_is_what_the_verdict_is_about() -> None:
    setup = router_fusion.setup(a_subject(fused="softmax_topk@1"))
    assert setup.parts[1].arms["fused router"].options.kernels == ("softmax_topk@1",)
    bound = {("bound", "free routing"): speed(5, 4.5, 6)}
    found = judged(
        router_fusion.judge,
        evidence(setup, bound | {("kernel", "fused router"): speed(1.04, 1.03, 1.05)}),
    )
    assert (found.word, found.effect) == ("not supported", estimate(1.04, 1.03, 1.05))


def test_dense_models_have_no_router_and_no_experts() -> None:
    assert router_fusion.unfit(a_subject(DENSE)) == "a dense model has no router"
    assert experts.unfit(a_subject(DENSE)) is not None
    # A family that is not known may well have both.
    assert "not known here" in (router_fusion.unfit(a_subject(None)) or "")
    assert "not known here" in (experts.unfit(a_subject(None)) or "")


def test_without_any_usable_pair_no_judge_says_anything() -> None:
    for claim in CLAIMS:
        setup = claim.setup(a_subject())
        assert claim.judge(evidence(setup, {})) is None, claim.name


# ---- sdpa ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deepest", "blocks", "word"),
    [
        (speed(1.3, 1.2, 1.4), speed(1, 0.999, 1.001, "equivalent"), "not supported"),
        (speed(2.5, 2.2, 2.8), speed(1.2, 1.1, 1.3), "supported"),
        # Twice as fast, but only attention: the expert blocks were not covered.
        (speed(2.5, 2.2, 2.8), speed(1, 0.999, 1.001, "equivalent"), "not supported"),
        (speed(2.5, 2.2, 2.8), speed(1, 0.9, 1.1), "inconclusive"),
        (speed(2.0, 1.8, 2.2), speed(1, 0.999, 1.001, "equivalent"), "inconclusive"),
    ],
)
def test_attention_has_to_double_the_rate_and_to_change_the_blocks(
    deepest: Speed, blocks: Speed, word: str
) -> None:
    setup = attention.setup(a_subject())
    assert [part.name for part in setup.parts] == [
        *("at depth 512", "at depth 4,096", "at depth 32,768", "blocks")
    ]
    found = judged(
        attention.judge,
        evidence(setup, {("at depth 32,768", "fused"): deepest, ("blocks", "fused"): blocks}),
    )
    assert found.word == word


def test_the_blocks_run_in_the_engine_of_chains_on_the_same_files() -> None:
    subject = a_subject()
    arms = attention.setup(subject).parts[-1].arms
    targets = {arm.target for arm in arms.values()}
    assert targets == {replace(subject.target, engine="chain", model="first/blocks")}
    assert arms["spelt out"].options.kernels == ("manual",)


def test_blocks_of_a_family_that_is_not_known_are_left_out_and_cannot_support_the_claim() -> None:
    setup = attention.setup(a_subject(None))
    assert "blocks" not in [part.name for part in setup.parts]
    deep = {("at depth 32,768", "fused"): speed(2.5, 2.2, 2.8)}
    found = judged(attention.judge, evidence(setup, deep))
    assert found.word == "inconclusive"
    assert "the blocks after attention were not measured" in found.sentence
    slight = {("at depth 32,768", "fused"): speed(1.3, 1.2, 1.4)}
    assert judged(attention.judge, evidence(setup, slight)).word == "not supported"


def test_without_the_deepest_context_the_next_one_is_judged_and_the_lack_is_told() -> None:
    setup = attention.setup(a_subject())
    found = judged(
        attention.judge,
        evidence(
            setup,
            {
                ("at depth 512", "fused"): speed(1.0, 0.9, 1.1),
                ("at depth 4,096", "fused"): speed(1.3, 1.2, 1.4),
            },
        ),
    )
    assert (found.word, found.effect) == ("not supported", estimate(1.3, 1.2, 1.4))
    assert found.effect_is.endswith("at depth 4,096")
    assert "(not measured at depth 32,768)" in found.sentence


def test_where_no_attention_is_fused_the_claim_does_not_apply() -> None:
    subject = a_subject()
    on_cpu = replace(subject, swaps=replace(subject.swaps, manual_attention=None))
    assert "no fused attention on a CPU" in (attention.unfit(on_cpu) or "")
    assert attention.unfit(subject) is None


# ---- launch-latency ------------------------------------------------------------------------------


def launches(kernels: int | None, tps: float | None) -> Judgement:
    """1 µs a launch, whose interval is 0.8 to 1.25 µs; the model's rate is another run's."""
    setup = launch_latency.setup(a_subject())
    model = replace(setup.models["model"], kernels_per_token=kernels)
    rates = {"dependent": estimate(1e6, 0.8e6, 1.25e6)}
    shown = {("launches", "dependent"): speed(0.5, 0.4, 0.625)}
    chains = evidence(replace(setup, models={"model": model}), shown, rates)
    alone = {"model": estimate(tps, 0.9 * tps, 1.1 * tps, 5)} if tps else {}
    return judged(launch_latency.judge, replace(chains, rates=alone))


def test_launches_below_a_tenth_of_a_token_cannot_bring_ten_per_cent() -> None:
    # 500 kernels of 1 µs in a token of 10 ms: 5 %; at worst 500 · 1.25 µs · 110 /s = 6.9 %.
    found = launches(500, 100)
    assert found.word == "not supported"
    assert effect(found).value == pytest.approx(0.05)
    assert effect(found).high == pytest.approx(0.06875)
    assert effect(found).low == pytest.approx(0.036)


def test_launches_that_take_a_third_of_a_token_leave_it_open() -> None:
    found = launches(1500, 200)
    assert found.word == "inconclusive"
    assert "only two builds can show" in found.sentence


def test_without_a_count_of_kernels_the_launches_alone_are_told() -> None:
    found = launches(None, 200)
    assert "×2 (1.6–2.5)" in found.sentence
    assert "the model's kernels could not be counted" in found.sentence


def test_without_the_models_rate_the_launches_alone_are_told() -> None:
    found = launches(500, None)
    assert found.word == "inconclusive"
    assert "the model's rate was not measured" in found.sentence


def test_the_model_is_no_arm_beside_the_chains() -> None:
    setup = launch_latency.setup(a_subject())
    (part,) = setup.parts
    assert {arm.target.engine for arm in part.arms.values()} == {"chain"}
    assert setup.rates["model"].target == a_subject().target


# ---- prefill-step --------------------------------------------------------------------------------


def test_prefill_steps_go_as_far_as_prompts_are_long() -> None:
    parts = prefill_step.setup(a_subject()).parts
    assert [list(part.arms) for part in parts] == [
        ["step 1", "step 4"],
        ["step 64", "step 4", "step 1"],
        ["step 2048", "step 512", "step 64"],
        ["step 8192", "step 2048", "step 512"],
    ]
    assert {part.metric for part in parts[1:]} == {"prefill"}
    decode = [arm.task for arm in parts[0].arms.values()]
    assert all(isinstance(task, Timed) and task.prompt_tokens == 64 for task in decode)
    assert all(
        isinstance(arm.task, Timed) and arm.task.prompt_tokens == 8192
        for arm in parts[3].arms.values()
    )


def test_a_decode_rate_that_stays_refutes_grouping_however_prefill_gains() -> None:
    setup = prefill_step.setup(a_subject())
    found = judged(
        prefill_step.judge,
        evidence(
            setup,
            {
                ("decode", "step 4"): speed(1.001, 0.997, 1.005, "equivalent"),
                ("short prompt", "step 1"): speed(0.1, 0.08, 0.125),
            },
        ),
    )
    assert found.word == "not supported"
    assert "as it must be within 1 %" in found.sentence
    assert "×10 (8–12.5) from step 1 to step 64" in found.sentence


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


def test_a_prompt_of_any_length_is_also_processed_in_one_go() -> None:
    subject = a_subject()
    odd = replace(subject, sizes=replace(subject.sizes, prompts=(64, 1000)))
    last = prefill_step.setup(odd).parts[-1]
    assert (last.name, list(last.arms)) == ("prompt of 1,000", ["step 1000", "step 512", "step 64"])
    assert len(prefill_step.setup(odd).parts) == 3  # one step alone is no comparison


def test_a_claim_names_what_changes_its_experiment_and_nothing_else() -> None:
    usual = a_subject(MOE, a_model("eight", MOE, bits=8.5))
    sizes = {
        "depths": replace(usual.sizes, depths=(7,)),
        "prompts": replace(usual.sizes, prompts=(640,)),
    }
    for claim in CLAIMS:
        changed = {
            wish
            for wish, other in sizes.items()
            if claim.setup(replace(usual, sizes=other)) != claim.setup(usual)
        }
        if claim.probes(usual, POEM):
            changed.add("replies")
        assert set(claim.uses) == changed, claim.name
