"""What chat templates do to turns: what they refuse, leave out, change or add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.conversations.conversation import Message, text_part
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.collator import Collator
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.modeling.processor import load_preprocessor
from tests.training import chat_tokenizer, family_models
from tests.training.conftest import configuration
from tests.training.data.test_turns import (
    SYSTEM,
    TWO_TURNS,
    answers,
    asks,
    conversation,
    example,
    learned_texts,
)

TURN = "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
LOOP = "{%- for message in messages -%}" + TURN + "{%- endfor -%}"
PROMPT = "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}"
EMPTY = "<think>\\n\\n</think>\\n\\n"


def thinking(prompt: str, empty: str = EMPTY) -> str:
    """Return a template that writes an empty thought before the last answer if it has none."""
    return (
        "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{%- if loop.last and message['role'] == 'assistant' "
        "and not '</think>' in message['content'] -%}{{ '" + empty + "' }}{%- endif -%}"
        "{{ message['content'] + '<|im_end|>\n' }}{%- endfor -%}"
        + PROMPT
        + prompt
        + "{%- endif -%}"
    )


def unless_off(begun: str, empty: str = EMPTY) -> str:
    """Return the end of a prompt: `begun`, or the empty thought without thinking."""
    return (
        "{%- if enable_thinking is defined and enable_thinking is false -%}{{ '" + empty + "' }}"
        "{%- else -%}{{ '" + begun + "' }}{%- endif -%}"
    )


NEMOTRON = "<think></think>"
THINKING = {
    "Qwen3": (thinking(unless_off("")), "", True),
    "Qwen3.5": (thinking(unless_off("<think>\\n")), "", True),
    "Nemotron": (thinking(unless_off("<think>\\n", NEMOTRON), NEMOTRON), "", True),
    "no option": (thinking(""), "<think>\n\n</think>\n\n", False),
    "no option, begun": (thinking("{{ '<think>\\n' }}"), "\n</think>\n\n", False),
    "never thinks": (thinking("{{ '" + EMPTY + "' }}"), "", False),
}
# Phi-3 ends a whole conversation with one more token.
END_OF_TEXT = LOOP + PROMPT + "{%- else -%}<|endoftext|>{%- endif -%}"
WITHOUT_SYSTEM = LOOP.replace(
    TURN, "{%- if message['role'] in ('user', 'assistant') -%}" + TURN + "{%- endif -%}"
)


@pytest.fixture
def with_template(values: dict[str, Any], language_model: Path) -> Callable[[str], Collator]:
    """Return a function that makes the collator of a language model with another template."""

    def make(template: str, **changes: Any) -> Collator:
        config = configuration(values, model__name_or_path=str(language_model), **changes)
        preprocessor = load_preprocessor(config, local_files_only=True)
        preprocessor.tokenizer.chat_template = template
        return Collator(preprocessor, config)

    return make


@pytest.mark.parametrize(("template", "suffix", "is_off"), THINKING.values(), ids=[*THINKING])
def test_an_empty_thought_belongs_to_the_prompt(
    with_template: Callable[..., Collator], template: str, suffix: str, is_off: bool
) -> None:
    collator = with_template(template)
    row = conversation(asks("Which colour?"), answers("Blue."))
    chat = collator.render(example(collator, row))
    assert chat.answer == "Blue.<|im_end|>\n"
    assert chat.prompt.endswith(("</think>", "</think>\n\n"))
    messages = [{"role": "user", "content": "Which colour?"}]
    apply: Any = collator.tokenizer.apply_chat_template
    assert chat.prompt == suffix_of(apply, messages, chat.last_prompt.options, suffix)
    assert chat.last_prompt.options == ({"enable_thinking": False} if is_off else {})
    whole = apply([*messages, {"role": "assistant", "content": "Blue."}], tokenize=False)
    assert chat.prompt + chat.answer == whole
    assert learned_texts(collator, row) == [chat.answer]


def suffix_of(apply: Any, messages: list[Any], options: Any, suffix: str) -> str:
    """Return the prompt that the code of a model card makes."""
    return apply(messages, tokenize=False, add_generation_prompt=True, **options) + suffix


@pytest.mark.parametrize("name", ["Qwen3", "Qwen3.5"])
def test_a_thought_of_the_dataset_is_learned(
    with_template: Callable[..., Collator], name: str
) -> None:
    collator = with_template(THINKING[name][0])
    thought = "<think>\nIt is the sky.\n</think>\n\nBlue."
    chat = collator.render(example(collator, conversation(asks("Which?"), answers(thought))))
    assert chat.answer == thought.removeprefix("<think>\n" * (name == "Qwen3.5")) + "<|im_end|>\n"
    empty = conversation(asks("Which?"), answers("<think>\n\n</think>\n\nBlue."))
    assert learned_texts(collator, empty) == ["Blue.<|im_end|>\n"]


@pytest.mark.parametrize("name", [name for name in THINKING if name != "never thinks"])
def test_thoughts_of_earlier_answers_that_a_template_drops_are_refused(
    with_template: Callable[..., Collator], name: str
) -> None:
    template = THINKING[name][0]
    with pytest.raises(
        TrainingError, match=r"row 7: .* drops the thought before answer 1, even an empty one, if"
    ) as refused:
        learned_texts(with_template(template), TWO_TURNS)
    assert "Set data.learn_turns to last" in refused.value.advice
    last = learned_texts(with_template(template, data__learn_turns="last"), TWO_TURNS)
    assert last == ["Blue.<|im_end|>\n"]


def test_earlier_answers_that_a_template_changes_are_refused(
    with_template: Callable[..., Collator],
) -> None:
    template = LOOP.replace(
        "message['content']",
        "(message['content'] | upper if message['role'] == 'assistant' and not loop.last"
        " else message['content'])",
    )
    with pytest.raises(TrainingError, match=r"renders answer 1 differently if another question"):
        learned_texts(with_template(template + PROMPT + "{%- endif -%}"), TWO_TURNS)


def test_an_answer_of_white_space_is_empty(with_template: Callable[..., Collator]) -> None:
    collator = with_template(LOOP + PROMPT + "{%- endif -%}")
    with pytest.raises(RowError, match="answer 1 of 1 is empty"):
        example(collator, conversation(asks("What?"), answers(" \n")))


def test_a_template_that_leaves_out_the_answer_is_refused(
    with_template: Callable[..., Collator],
) -> None:
    """Qwen3's template writes nothing for content that is a list of parts."""
    empty = LOOP.replace(
        "message['content']", "(message['content'] if message['role'] == 'user' else '')"
    )
    collator = with_template(empty + PROMPT + "{%- endif -%}")
    with pytest.raises(RowError, match=r"row 7: .* leaves out .* text of its answer \('A page"):
        collator.render(example(collator, conversation(asks("What?"), answers("A page."))))


def test_an_end_that_only_the_last_turn_has_is_learned_there(
    with_template: Callable[..., Collator],
) -> None:
    collator = with_template(END_OF_TEXT)
    chat = collator.render(example(collator, TWO_TURNS))
    assert [turn.answer for turn in chat.turns] == [
        "A page.<|im_end|>\n",
        "Blue.<|im_end|>\n<|endoftext|>",
    ]
    assert chat.prompt.endswith(
        "A page.<|im_end|>\n<|im_start|>user\nAnd this?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_question_may_begin_with_the_token_that_ends_an_answer(
    with_template: Callable[..., Collator],
) -> None:
    """GLM writes no end of turn: it generates the mark of the next question."""
    marks = "{'user': '<|im_end|>', 'assistant': '<|im_start|>'}[message['role']]"
    turns = "{%- for message in messages -%}{{ " + marks + " + message['content'] }}{%- endfor -%}"
    collator = with_template(turns + "{%- if add_generation_prompt -%}<|im_start|>{%- endif -%}")
    assert learned_texts(collator, TWO_TURNS) == ["A page.<|im_end|>", "Blue.<|im_end|>"]
    chat = collator.render(example(collator, TWO_TURNS))
    decode: Any = collator.tokenizer.decode
    assert decode(collator.encode([chat])["input_ids"][0]) == (
        "<|im_end|>What is it?<|im_start|>A page.<|im_end|>And this?<|im_start|>Blue.<|im_end|>"
    )


@pytest.mark.parametrize(
    ("messages", "reason", "advice"),
    [
        ([SYSTEM, asks("1"), answers("a")], "(system, user, assistant)", "first question"),
        ([asks("1"), asks("2"), answers("a")], "(user, user, assistant)", "in turn"),
        (
            [asks("1"), {"role": "tool", "content": [text_part("2")]}, answers("a")],
            "(user, tool, assistant)",
            "turns of tool",
        ),
    ],
)
def test_turns_that_a_template_refuses(
    values: dict[str, Any],
    tmp_path: Path,
    messages: list[Message],
    reason: str,
    advice: str,
) -> None:
    config = configuration(values, model__name_or_path=str(family_models.gemma3(tmp_path)))
    collator = Collator(load_preprocessor(config, local_files_only=True), config)
    with pytest.raises(RowError) as refused:
        collator.render(example(collator, conversation(*messages)))
    assert refused.value.reason == (
        f"the model's chat template refuses its turns {reason}: "
        "Conversation roles must alternate user/assistant/user/assistant/.."
    )
    assert advice in refused.value.advice


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (
            LOOP.replace("message['content']", "message['text']['x']") + PROMPT + "{%- endif -%}",
            "template refuses its turns",
        ),
        (
            LOOP.replace("message['content']", "1") + PROMPT + "{%- endif -%}",
            "template refuses its turns",
        ),
        (WITHOUT_SYSTEM + PROMPT + "{%- endif -%}", r"leaves out or .* system prompt \('Be brief"),
    ],
)
def test_a_row_that_a_template_cannot_render(
    with_template: Callable[..., Collator], template: str, reason: str
) -> None:
    collator = with_template(template)
    row = conversation(SYSTEM, asks("What?"), answers("A page."))
    with pytest.raises(RowError, match=f"row 7: .*{reason}"):
        collator.render(example(collator, row))


def test_a_template_with_a_syntax_error_is_the_checkpoints_fault(
    with_template: Callable[..., Collator],
) -> None:
    collator = with_template("{% for %}")
    with pytest.raises(TrainingError, match="chat template of the model is not valid"):
        collator.render(example(collator, TWO_TURNS))


def test_a_template_for_text_that_prints_parts_is_refused(
    values: dict[str, Any], vision_model: Path
) -> None:
    config = configuration(values, model__name_or_path=str(vision_model))
    preprocessor = load_preprocessor(config, local_files_only=True)
    template = LOOP.replace("message['content']", "message['content'] | string")
    preprocessor.processor.chat_template = template + PROMPT + "{%- endif -%}"
    collator = Collator(preprocessor, config)
    with pytest.raises(TrainingError, match="one for text only"):
        collator.render(example(collator, TWO_TURNS))


def test_the_date_of_a_template_is_that_of_the_start(
    with_template: Callable[..., Collator],
) -> None:
    template = "{{ strftime_now('%f') + '\n' }}" + LOOP + PROMPT + "{%- endif -%}"
    collator = with_template(template)
    prompts = {collator.render(example(collator, TWO_TURNS)).prompt for _ in range(3)}
    assert len(prompts) == 1
    assert prompts.pop().split("\n")[0].isdigit()


@pytest.mark.parametrize(
    ("messages", "name", "token"),
    [
        ([asks("Where is <image>?"), answers("a")], "question", "<image>"),
        ([asks("1"), answers("It ends <|im_end|> here")], "answer", "<|im_end|>"),
        ([asks("1"), answers("a<|endoftext|>")], "answer", "<|endoftext|>"),
        ([asks("1<pad>"), answers("a")], "question", "<pad>"),
        ([asks("1"), answers("<|im_start|>"), asks("2"), answers("b")], "answer", "<|im_start|>"),
        (
            [
                {"role": "system", "content": [text_part("<fake_token_around_image>")]},
                asks("1"),
                answers("a"),
            ],
            "system prompt",
            "<fake_token_around_image>",
        ),
    ],
)
def test_control_tokens_in_a_text_are_refused(
    values: dict[str, Any], vision_model: Path, messages: list[Message], name: str, token: str
) -> None:
    config = configuration(values, model__name_or_path=str(vision_model))
    preprocessor = load_preprocessor(config, local_files_only=True)
    template = chat_tokenizer.CHAT_TEMPLATE + "{%- if not add_generation_prompt -%}<|endoftext|>"
    preprocessor.processor.chat_template = template + "{%- endif -%}"
    collator = Collator(preprocessor, config)
    with pytest.raises(RowError, match="row 7: ") as refused:
        collator.render(example(collator, conversation(*messages)))
    assert f"the text of its {name} contains {token}," in str(refused.value)


def test_other_special_tokens_are_content(values: dict[str, Any], vision_model: Path) -> None:
    config = configuration(values, model__name_or_path=str(vision_model))
    preprocessor = load_preprocessor(config, local_files_only=True)
    preprocessor.tokenizer.add_special_tokens({"additional_special_tokens": ["<|box_start|>"]})
    collator = Collator(preprocessor, config)
    row = conversation(asks("Where?"), answers("<|box_start|>(1,2)"))
    assert learned_texts(collator, row) == ["<|box_start|>(1,2)<|im_end|>\n"]


def test_an_image_token_is_plain_text_to_a_model_without_one(
    with_template: Callable[..., Collator],
) -> None:
    collator = with_template(LOOP + PROMPT + "{%- endif -%}")
    row = conversation(asks("What is <start_of_image>?"), answers("A token."))
    assert learned_texts(collator, row) == ["A token.<|im_end|>\n"]
