"""Claims about speed: their arms, and what their judges make of them, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.claims import (
    CLAIMS,
    Judgement,
    Speed,
    attention,
    experts,
    launch_latency,
    prefill_step,
    router_fusion,
)
from mlxbench.records import Timed
from tests.claims.judged import effect, judged
from tests.claims.subjects import (
    DENSE,
    a_subject,
    estimate,
    evidence,
    speed,
)

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


def test_a_prompt_of_any_length_is_also_processed_in_one_go() -> None:
    subject = a_subject()
    odd = replace(subject, sizes=replace(subject.sizes, prompts=(64, 1000)))
    last = prefill_step.setup(odd).parts[-1]
    assert (last.name, list(last.arms)) == ("prompt of 1,000", ["step 1000", "step 512", "step 64"])
    assert len(prefill_step.setup(odd).parts) == 3  # one step alone is no comparison
