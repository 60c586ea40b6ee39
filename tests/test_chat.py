"""Chat templates: real ones work, hostile ones end quickly and touch nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlxbench import chat
from mlxbench.errors import CheckpointError
from mlxbench.records import Message

MESSAGES = [Message("system", "Be brief."), Message("user", "Say <b>hi</b>.")]
CHATML = (
    "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    "{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)


def test_a_chat_is_rendered_up_to_the_assistants_turn() -> None:
    assert chat.render(CHATML, MESSAGES, thinking=None) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay <b>hi</b>.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_thinking_is_handed_to_the_template_only_when_it_was_chosen() -> None:
    assert chat.render(CHATML, MESSAGES, thinking=False).endswith("<think></think>")
    assert "think" not in chat.render(CHATML, MESSAGES, thinking=True)


def test_what_transformers_templates_rely_on_is_there() -> None:
    template = (
        "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}"
        "{{ messages | tojson }}{{ strftime_now('%Y') | length }}"
    )
    messages = json.dumps([{"role": "user", "content": "x"}])
    assert chat.render(template, [Message("user", "x")], None) == f"01{messages}4"


HOSTILE = {
    "endless loop": "{% for a in range(99999) %}" * 2 + "{% endfor %}" * 2,
    "giant number": "{{ 9**(9**9) }}",
    "giant text": "{{ 'x' * 10**10 }}",
    "giant output": "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "giant range": "{% for a in range(10**12) %}x{% endfor %}",
    "python through a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "python through a function": "{{ cycler.__init__.__globals__.os.system('id') }}",
    "a file": "{% include '/etc/passwd' %}",
    "an import": "{% import 'os' as os %}",
    "a mutation": "{% if messages.append({'role': 'x'}) %}{% endif %}",
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a syntax error": "{% for %}",
    "its own refusal": "{{ raise_exception('no system messages') }}",
}


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_is_one_clear_line(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "TIME_LIMIT_S", 2)  # of the parent; the child keeps its own
    with pytest.raises(CheckpointError) as caught:
        chat.render(template, MESSAGES, None)
    assert "\n" not in str(caught.value)
    assert "chat template" in str(caught.value)


def test_a_template_larger_than_any_real_one_is_refused_unread() -> None:
    with pytest.raises(CheckpointError, match="characters"):
        chat.render("x" * (chat.TEMPLATE_LIMIT_BYTES + 1), MESSAGES, None)


@pytest.mark.parametrize(
    ("config", "file", "expected"),
    [
        ({"chat_template": "a"}, None, "a"),
        ({"chat_template": "a"}, "b", "b"),
        ({"chat_template": [{"name": "tool_use", "template": "t"}]}, None, None),
        (
            {
                "chat_template": [
                    {"name": "tool_use", "template": "t"},
                    {"name": "default", "template": "d"},
                ]
            },
            None,
            "d",
        ),
        ({}, None, None),
    ],
)
def test_the_template_is_found_where_checkpoints_keep_it(
    tmp_path: Path, config: object, file: str | None, expected: str | None
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    if file is not None:
        (tmp_path / "chat_template.jinja").write_text(file)
    if expected is None:
        with pytest.raises(CheckpointError, match="no chat template"):
            chat.template_of(tmp_path)
    else:
        assert chat.template_of(tmp_path) == expected
