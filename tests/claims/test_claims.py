"""All claims: their names, their arms, and what changes their experiments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxbench.claims import (
    CLAIMS,
    pick,
)
from mlxbench.errors import InputError
from tests.claims.judged import POEM
from tests.claims.subjects import (
    DENSE,
    MOE,
    a_model,
    a_subject,
)
from tests.synthetic.shapes import QWEN3_30B


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
