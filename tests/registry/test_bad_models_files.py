"""Every bad models file is refused in one line that names file, line and key."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mlxbench.errors import RegistryError
from mlxbench.registry import builtin_file, load
from tests.registry.samples import MODEL, REFERENCE, refusal

SYNTAX_ADVICE = (
    "correct the syntax; the format is described at the top of mlxbench's own models.toml"
)

GOLDEN: dict[str, tuple[str, str]] = {
    "a value without quotes": (
        MODEL.replace('"owner/mine"', "owner/mine"),
        f":3: not TOML: Invalid value; {SYNTAX_ADVICE}",
    ),
    "a key given twice": (
        MODEL.replace("head_dim = 64", "head_dim = 64\nhead_dim = 64"),
        f":12: not TOML: Cannot overwrite a value; {SYNTAX_ADVICE}",
    ),
    "a table whose name looks like a position": (
        "['x (at line y']\n['x (at line y']\n",
        f":2: not TOML: Cannot declare ('x (at line y',) twice; {SYNTAX_ADVICE}",
    ),
    "a string that never ends": (
        MODEL + 'x = """',
        f": not TOML: Unterminated string (at end of document); {SYNTAX_ADVICE}",
    ),
    "brackets nested too deeply": (
        "x = " + "[" * 20_000,
        f": not TOML: nested too deeply; {SYNTAX_ADVICE}",
    ),
    "a table of another name": (
        MODEL + "\n[qwen3-0.6b]\nollama = 'x'\n",
        ":19: unknown key 'qwen3-0'; write each model as a [[model]] table",
    ),
    "one bracket instead of two": (
        MODEL.replace("[[model]]", "[model]"),
        ":1: 'model' is not a list of tables; write [[model]]",
    ),
    "an unknown key of a model": (
        MODEL.replace("repository", "repo"),
        ":3: unknown key 'repo'; use one of name, summary, repository, revision, ollama, "
        "synthetic, shape, references",
    ),
    "an unknown table of a model": (
        MODEL.replace("[model.shape]", "[model.shapes]"),
        ":5: unknown key 'shapes'; use one of name, summary, repository, revision, ollama, "
        "synthetic, shape, references",
    ),
    "an unknown key of a reference": (
        REFERENCE.replace("probe", "verdict"),
        ":17: unknown key 'verdict'; use one of source, engine, machine, workload, decode_tps, "
        "probe",
    ),
    "a model without a name": (
        "\n" + MODEL.replace('name = "mine"\n', ""),
        ":2: 'name' is missing; write lower-case letters, digits, '.', '_' and '-', "
        "a letter or digit first, at most 64",
    ),
    "a name with a space": (
        MODEL.replace('"mine"', '"My model"'),
        ":2: 'name' is 'My model'; write lower-case letters, digits, '.', '_' and '-', "
        "a letter or digit first, at most 64",
    ),
    "two models of one name": (
        MODEL + MODEL,
        ":19: a second model named 'mine'; give each its own name",
    ),
    "a repository without an owner": (
        MODEL.replace("owner/mine", "mine"),
        ":3: 'repository' is 'mine'; write the owner/name of a Hugging Face repository",
    ),
    "a revision that climbs": (
        MODEL.replace('"owner/mine"', '"owner/mine"\nrevision = "a/../b"'),
        ":4: 'revision' is 'a/../b'; write a commit, tag or branch: letters, digits, "
        "'.', '_', '/' and '-'",
    ),
    "a revision of nothing": (
        '[[model]]\nname = "mine"\nollama = "x"\nrevision = "main"\n',
        ":4: 'revision' without 'repository'; add 'repository' too",
    ),
    "a model with nothing to run": (
        '[[model]]\nname = "mine"\nsummary = "hollow"\n',
        ":2: nothing to run as 'mine'; add a repository, an ollama tag or a shape",
    ),
    "a synthetic model without a shape": (
        '[[model]]\nname = "mine"\nollama = "x"\nsynthetic = true\n',
        ":4: 'synthetic' without 'shape'; add 'shape' too",
    ),
    "a number for a boolean": (
        MODEL.replace("tie_word_embeddings = false", "tie_word_embeddings = 0"),
        ":14: 'tie_word_embeddings' is 0; write true or false",
    ),
    "a boolean for a number": (
        MODEL.replace("num_hidden_layers = 4", "num_hidden_layers = true"),
        ":8: 'num_hidden_layers' is True; write a whole number from 1 to 10000000",
    ),
    "a summary of two lines": (
        MODEL.replace('"owner/mine"', '"owner/mine"\nsummary = "a\\nb"'),
        r":4: 'summary' is 'a\nb'; write one line of printable text, at most 200 characters",
    ),
    "a shape of another family": (
        MODEL.replace('"qwen3_moe"', '"llama"'),
        ":6: 'model_type' is 'llama'; write 'qwen3' or 'qwen3_moe', "
        "or leave the shape of another family out",
    ),
    "a shape with a field left out": (
        MODEL.replace("head_dim = 64\n", ""),
        ":5: 'head_dim' is missing; write a multiple of 64 from 64 to 10000000",
    ),
    "a hidden size that is no multiple of the group": (
        MODEL.replace("hidden_size = 256", "hidden_size = 100"),
        ":7: 'hidden_size' is 100; write a multiple of 64 from 64 to 10000000",
    ),
    "a negative size": (
        MODEL.replace("vocab_size = 4096", "vocab_size = -4096"),
        ":13: 'vocab_size' is -4096; write a whole number from 1 to 10000000",
    ),
    "a size of zero": (
        MODEL.replace("num_key_value_heads = 2", "num_key_value_heads = 0"),
        ":10: 'num_key_value_heads' is 0; write a whole number from 1 to 10000000",
    ),
    "a size over the limit": (
        MODEL.replace("vocab_size = 4096", "vocab_size = 10_000_001"),
        ":13: 'vocab_size' is 10000001; write a whole number from 1 to 10000000",
    ),
    "a size of thousands of digits": (
        MODEL.replace("vocab_size = 4096", f"vocab_size = 0x{'f' * 9000}"),
        ":13: 'vocab_size' is a huge number; write a whole number from 1 to 10000000",
    ),
    "heads that the KV heads do not divide": (
        MODEL.replace("num_key_value_heads = 2", "num_key_value_heads = 3"),
        ":10: 'num_key_value_heads' is 3; write a divisor of num_attention_heads",
    ),
    "more experts per token than experts": (
        MODEL.replace("num_experts_per_tok = 4", "num_experts_per_tok = 17"),
        ":16: 'num_experts_per_tok' is 17; "
        "write a number from 1 to num_experts for qwen3_moe, nothing for qwen3",
    ),
    "a mixture without experts": (
        MODEL.replace("num_experts = 16\n", ""),
        ":5: 'num_experts' is 0; write 1 or more for qwen3_moe, nothing for qwen3",
    ),
    "a dense model with experts": (
        MODEL.replace("qwen3_moe", "qwen3"),
        ":15: 'num_experts' is 16; write 1 or more for qwen3_moe, nothing for qwen3",
    ),
    "experts of no width": (
        MODEL.replace("moe_intermediate_size = 128", ""),
        ":5: 'moe_intermediate_size' is 0; write a multiple of 64 for qwen3_moe, nothing for qwen3",
    ),
    "a rate that is not a number": (
        REFERENCE.replace("10.5", "nan"),
        ":10: 'decode_tps' is nan; write a number over 0, at most 1000000",
    ),
    "a verdict of another kind": (
        REFERENCE.replace('"PASS"', '"MAYBE"'),
        ":17: 'probe' is 'MAYBE'; write 'PASS' or 'FAIL'",
    ),
    "a second reference without its source": (
        REFERENCE.replace('source = "another blog"\n', ""),
        ":12: 'source' is missing; write one line of printable text, at most 200 characters",
    ),
    "a shape written inline": (
        '[[model]]\nname = "mine"\nshape = { model_type = "llama" }\n',
        ":3: 'model_type' is 'llama'; write 'qwen3' or 'qwen3_moe', "
        "or leave the shape of another family out",
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_a_bad_file_is_refused_in_one_exact_line(case: str, user_file: Path) -> None:
    text, expected = GOLDEN[case]
    user_file.write_text(text)
    assert refusal(user_file) == f"{user_file}{expected}"


def test_the_good_versions_of_the_bad_files_load(user_file: Path) -> None:
    for text in (MODEL, REFERENCE):
        user_file.write_text(text)
        assert "mine" in load(user_file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    assert refusal(path) == (
        f"{path}: cannot be read: No such file or directory; "
        "name a readable file with --models-file or MLXBENCH_MODELS"
    )


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(f"{tmp_path}: cannot be read: Is a directory; ")


def test_a_link_to_itself_is_refused_as_unreadable(user_file: Path) -> None:
    user_file.symlink_to(user_file)
    assert refusal(user_file).startswith(f"{user_file}: cannot be read: ")


def test_text_in_another_encoding_is_refused_with_its_line(user_file: Path) -> None:
    user_file.write_bytes(MODEL.encode() + "# Schlüssel\n".encode("latin-1"))
    assert refusal(user_file) == f"{user_file}:18: not UTF-8; save the file in that encoding"


def test_a_file_over_one_mebibyte_is_refused_and_one_of_exactly_that_is_not(
    user_file: Path,
) -> None:
    user_file.write_text(MODEL.ljust(1 << 20, "\n"))
    assert "mine" in load(user_file)
    user_file.write_text(MODEL.ljust((1 << 20) + 1, "\n"))
    assert refusal(user_file) == (
        f"{user_file}: larger than 1 MiB; keep only [[model]] tables in it"
    )


def test_a_path_that_cannot_be_printed_does_not_break_the_line(tmp_path: Path) -> None:
    assert "\n" not in refusal(tmp_path / "two\nlines.toml")


# ---- fuzzed files -------------------------------------------------------------------------------

FUZZED_FILES = 2_000
ODD_VALUES = (
    *("-1", "0", "1e400", "nan", "true", "''", "'\\u0000'", '"\\n"', "[]", "{}", "[[1]]"),
    *("1979-05-27", "07:32:00", "0x" + "f" * 5000, "9" * 5000, "{ a = { b = 1 } }", '"é\u202e"'),
)


def flip_a_byte(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def delete_a_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def swap_two_values(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = chance.sample([at for at, line in enumerate(lines) if b" = " in line], 2)
    (key1, _, value1), (key2, _, value2) = (lines[at].partition(b" = ") for at in (first, second))
    lines[first], lines[second] = key1 + b" = " + value2, key2 + b" = " + value1
    return b"\n".join(lines)


def give_an_odd_value(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.choice([at for at, line in enumerate(lines) if b" = " in line])
    lines[at] = lines[at].partition(b" = ")[0] + b" = " + chance.choice(ODD_VALUES).encode()
    return b"\n".join(lines)


def cut_into_the_second_half(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) // 2, len(data))]


MUTATIONS = (
    flip_a_byte,
    delete_a_line,
    swap_two_values,
    give_an_odd_value,
    cut_into_the_second_half,
)


def test_two_thousand_damaged_files_load_or_are_refused_in_one_line(user_file: Path) -> None:
    comments_end = builtin_file().read_bytes().index(b"[[model]]\nname")
    original = builtin_file().read_bytes()[comments_end:]
    chance = random.Random(20261101)
    outcomes: Counter[str] = Counter()
    for _ in range(FUZZED_FILES):
        data = original
        for mutate in chance.choices(MUTATIONS, k=chance.randint(1, 3)):
            data = mutate(data, chance)
        user_file.write_bytes(data)
        try:
            load(user_file)
        except RegistryError as error:
            message = str(error)
            assert message.startswith(f"{user_file}:")
            assert message.isprintable()
            assert len(message) < len(str(user_file)) + 400
            outcomes["refused"] += 1
        else:
            outcomes["loaded"] += 1
    assert sum(outcomes.values()) == FUZZED_FILES
    assert min(outcomes["refused"], outcomes["loaded"]) > FUZZED_FILES // 20
