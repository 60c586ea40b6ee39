"""The registry: the built-in file, merging, look-up, and every way a models file can be bad."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mlxbench.errors import InputError, RegistryError
from mlxbench.records import Reference, Shape
from mlxbench.registry import MODELS_VARIABLE, builtin_file, find, load
from mlxbench.registry.rules import REFERENCE_RULES, SHAPE_RELATIONS, SHAPE_RULES
from tests.registry.samples import MODEL

QWEN_SIZES = ("0.6b", "1.7b", "4b", "8b", "14b", "32b", "30b-a3b", "235b-a22b")


def test_the_built_in_file_names_every_size_of_qwen_3_and_the_two_tiny_models() -> None:
    expected = {"tiny-dense", "tiny-moe", *(f"qwen3-{size}" for size in QWEN_SIZES)}
    assert set(load()) == expected


@pytest.mark.parametrize("size", QWEN_SIZES)
def test_every_qwen_3_has_a_repository_an_ollama_tag_and_a_shape(size: str) -> None:
    spec = load()[f"qwen3-{size}"]
    assert spec.repository == f"mlx-community/Qwen3-{size.upper()}-4bit"
    assert spec.ollama == f"qwen3:{size}"
    assert spec.shape is not None
    assert spec.shape.vocab_size == 151936
    assert not spec.synthetic
    assert spec.origin == str(builtin_file())


def test_known_revisions_are_whole_commits_and_only_the_235b_has_none() -> None:
    unpinned = [spec.name for spec in load().values() if spec.repository and not spec.revision]
    assert unpinned == ["qwen3-235b-a22b"]
    revisions = [spec.revision for spec in load().values() if spec.revision]
    assert all(len(revision) == 40 for revision in revisions)
    assert len(set(revisions)) == len(revisions)
    assert load()["qwen3-30b-a3b"].revision == "d388dead1515f5e085ef7a0431dd8fadf0886c57"


@pytest.mark.parametrize(
    ("name", "decode_tps"),
    [("qwen3-30b-a3b", 72.1), ("qwen3-32b", 25.4), ("qwen3-235b-a22b", 23.3)],
)
def test_the_lab_notes_figures_stand_beside_its_three_models(name: str, decode_tps: float) -> None:
    (row,) = (row for row in load()[name].references if row.workload == "lab-note")
    assert (row.decode_tps, row.probe) == (decode_tps, "FAIL")
    assert row.engine == "Ollama 0.6.6, q4_k_m"
    assert row.machine == "M3 Ultra 512 GB"
    assert row.source.startswith("the lab note")


def test_the_tiny_models_are_synthetic_and_differ_only_in_their_feed_forward() -> None:
    dense, moe = load()["tiny-dense"], load()["tiny-moe"]
    assert dense.synthetic
    assert moe.synthetic
    assert dense.shape == Shape("qwen3", 256, 4, 4, 2, 64, 768, 4096, False)
    assert moe.shape == Shape("qwen3_moe", 256, 4, 4, 2, 64, 768, 4096, False, 16, 4, 128)


def test_every_field_of_a_shape_and_of_a_reference_has_exactly_one_rule() -> None:
    assert REFERENCE_RULES.keys() == {field.name for field in fields(Reference)}
    assert SHAPE_RULES.keys() == {field.name for field in fields(Shape)}
    assert SHAPE_RELATIONS.keys() <= SHAPE_RULES.keys()


# ---- merging ------------------------------------------------------------------------------------


def test_a_users_new_model_is_added_and_needs_no_shape(user_file: Path) -> None:
    user_file.write_text('[[model]]\nname = "next"\nrepository = "owner/Qwen3-Next-4bit"\n')
    registry = load(user_file)
    assert len(registry) == len(load()) + 1
    assert registry["next"].shape is None
    assert registry["next"].summary == ""
    assert registry["next"].origin == str(user_file)


def test_a_users_entry_overrides_a_known_model_key_by_key(user_file: Path) -> None:
    user_file.write_text('[[model]]\nname = "qwen3-8b"\nollama = "my-qwen:latest"\n')
    before, after = load()["qwen3-8b"], load(user_file)["qwen3-8b"]
    assert after.ollama == "my-qwen:latest"
    assert (after.repository, after.revision) == (before.repository, before.revision)
    assert (after.shape, after.references) == (before.shape, before.references)
    assert after.origin == str(user_file)


def test_a_users_shape_replaces_the_known_one_as_a_whole(user_file: Path) -> None:
    user_file.write_text(MODEL.replace("mine", "tiny-dense"))
    assert load(user_file)["tiny-dense"].shape == load()["tiny-moe"].shape


def test_another_repository_does_not_keep_the_old_ones_revision(user_file: Path) -> None:
    user_file.write_text('[[model]]\nname = "qwen3-8b"\nrepository = "me/Qwen3-8B-8bit"\n')
    spec = load(user_file)["qwen3-8b"]
    assert (spec.repository, spec.revision) == ("me/Qwen3-8B-8bit", None)


def test_a_revision_alone_pins_a_known_repository(user_file: Path) -> None:
    user_file.write_text('[[model]]\nname = "qwen3-235b-a22b"\nrevision = "abc123"\n')
    spec = load(user_file)["qwen3-235b-a22b"]
    assert (spec.repository, spec.revision) == ("mlx-community/Qwen3-235B-A22B-4bit", "abc123")


def test_the_environment_names_the_users_file_unless_an_argument_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("from-environment", "from-argument"):
        text = f'[[model]]\nname = "{name}"\nollama = "x"\n'
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "from-environment.toml"))
    assert "from-environment" in load()
    registry = load(tmp_path / "from-argument.toml")
    assert "from-argument" in registry
    assert "from-environment" not in registry
    monkeypatch.setenv(MODELS_VARIABLE, "")
    assert "from-environment" not in load()


# ---- look-up ------------------------------------------------------------------------------------


def test_a_known_name_is_found() -> None:
    registry = load()
    assert find(registry, "qwen3-32b") is registry["qwen3-32b"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Qwen3-32b",
            "no model named 'Qwen3-32b'; did you mean qwen3-32b or qwen3-8b or qwen3-4b? "
            "run `mlxbench models list` to see them all",
        ),
        ("tiny_mo", "no model named 'tiny_mo'; did you mean tiny-moe? run `mlxbench models list`"),
        ("llama", "no model named 'llama'; run `mlxbench models list` to see them all"),
        ("a\nb", r"no model named 'a\nb'; run `mlxbench models list` to see them all"),
    ],
)
def test_an_unknown_name_gets_near_names_and_the_way_to_list(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        find(load(), name)
    assert str(caught.value).startswith(message)
    assert not isinstance(caught.value, RegistryError)


# ---- bad files, with the exact message ----------------------------------------------------------
