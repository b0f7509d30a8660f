"""An example as text: its conversation rendered with the chat template of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import TemplateError, TemplateSyntaxError

from deepsynth_tui.conversations.conversation import message_text
from deepsynth_tui.conversations.errors import RowError
from deepsynth_tui.training.data.control_tokens import TURN_NAMES, ControlTokens
from deepsynth_tui.training.data.example import LEARN_TURNS
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.conversations.conversation import Message
    from deepsynth_tui.training.data.example import Example
    from deepsynth_tui.training.modeling.processor import Preprocessor

# For checkpoints without a template: the pages and the question, a line break, the answer, an end
# token. DeepSeek-OCR, which has none, is prompted like this ("<image>\nFree OCR.").
FALLBACK_TEMPLATE = """\
{{- bos_token or '' -}}
{%- for message in messages -%}
{%- if message['content'] is string -%}
{{ message['content'] }}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}{{ image_token + '\n' }}{%- else -%}{{ part['text'] }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message['role'] == 'assistant' -%}{{ eos_token }}{%- else -%}{{ '\n' }}{%- endif -%}
{%- endfor -%}
"""


# A template that expects text prints a list of parts as Python or JSON.
PRINTED_PARTS = ("{'type': ", '{"type": ')
# A call of the clock that transformers gives to templates.
CLOCK = re.compile(r"strftime_now\(\s*(['\"])(?P<format>[^'\"]*)\1\s*\)")
# The option of templates of models that think, by which a user turns thinking off.
WITHOUT_THOUGHT = {"enable_thinking": False}
# A thought without words before an answer. A prompt may have begun it.
EMPTY_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")
BEGUN_THOUGHT = re.compile(r"<think>\s*\Z")
THOUGHT_OF_PROMPT = re.compile(r"<think>\s*(</think>\s*)?\Z")
END_OF_EMPTY_THOUGHT = re.compile(r"\s*</think>\s*")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text before an answer, and how the template and its user make it.

    `options` are those of the template beside `add_generation_prompt`; `suffix` is what the
    template lacks: an empty thought that it writes only once there is an answer.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class RenderedTurn:
    """An answer that is learned, and all text since the previous one."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A rendered example: the text that the model reads, one turn per learned answer."""

    turns: Sequence[RenderedTurn]
    example: Example
    last_prompt: Prompt

    @property
    def row_id(self) -> str:
        """Name of the row in messages."""
        return self.example.row_id

    @property
    def answer(self) -> str:
        """The last answer, with its end of turn."""
        return self.turns[-1].answer

    @property
    def prompt(self) -> str:
        """Everything before the last answer, earlier answers included."""
        *earlier, last = self.turns
        return "".join(turn.prompt + turn.answer for turn in earlier) + last.prompt

    def last_turn(self) -> RenderedChat:
        """Return the same text with the last answer as the only one that is learned."""
        return replace(self, turns=[RenderedTurn(self.prompt, self.answer)])


class ChatTemplate:
    """The model's own chat template, or `FALLBACK_TEMPLATE` if the checkpoint has none.

    A template that writes the date writes the one on which this object was made.
    """

    def __init__(self, preprocessor: Preprocessor) -> None:
        self._processor: Any = preprocessor.processor  # processor or tokenizer
        self._reads_images = preprocessor.reads_images
        self.is_fallback = not self._processor.chat_template
        source = FALLBACK_TEMPLATE if self.is_fallback else _default_template(self._processor)
        self.options: dict[str, Any] = {}
        if self.is_fallback:
            self.options = {
                "chat_template": FALLBACK_TEMPLATE,
                "image_token": getattr(self._processor, "image_token", ""),
                "bos_token": preprocessor.tokenizer.bos_token,
                "eos_token": preprocessor.tokenizer.eos_token,
            }
        elif CLOCK.search(source):
            self.options = {"chat_template": _at_a_fixed_time(source)}
        self._has_thinking_option = "enable_thinking" in source
        self.control_tokens = ControlTokens(preprocessor, source)

    def render(self, example: Example) -> RenderedChat:
        """Render an example as prompts and answers.

        The prompt of an answer is what the model gets to generate it. It includes the empty thought
        that templates of models that think write before an answer without one: the model is not
        asked for a thought, so it has none to learn.

        Raises:
            RowError: the template refuses the turns or leaves out a text, or a text has a control
                token.
            TrainingError: the template renders the turns before an answer, or an earlier answer,
                differently if other turns follow.
        """
        if example.learned[0] == 0:
            raise RowError(
                example.row_id,
                "it begins with an answer, and nothing comes before it",
                "Begin the row with a question, or mark the answer as not learned.",
            )
        turns: list[RenderedTurn] = []
        text = ""
        prompt = Prompt("")
        for position in example.learned:
            with_answer = self._apply(
                example, example.messages[: position + 1], add_generation_prompt=False
            )
            prompt = self._prompt(example, example.messages[:position], with_answer)
            if not prompt.text.startswith(text):
                answer = self._answer_in(prompt.text, text, turns, example)
                text = text.removesuffix(turns[-1].answer) + answer
                turns[-1] = RenderedTurn(turns[-1].prompt, answer)
            turns.append(RenderedTurn(prompt.text[len(text) :], with_answer[len(prompt.text) :]))
            text = with_answer
        self._check_texts(example, turns, text)
        self.control_tokens.check(example, text)
        if example.answer_truncated:
            turns[-1] = RenderedTurn(turns[-1].prompt, _without_end_of_turn(example, turns[-1]))
        return RenderedChat(turns, example, prompt)

    def _prompt(self, example: Example, messages: Sequence[Message], with_answer: str) -> Prompt:
        """Return the prompt of an answer, as the beginning of the text that the answer ends.

        Raises as `render`.
        """
        prompts: list[Prompt] = []
        for options in [WITHOUT_THOUGHT, {}] if self._has_thinking_option else [{}]:
            text = self._apply(example, messages, add_generation_prompt=True, **options)
            if with_answer.startswith(text):
                prompts.append(Prompt(text, options))
        if not prompts:
            raise TrainingError(
                f"{example.row_id}: the model's chat template renders the question differently if "
                "an answer follows, so the tokens of the answer cannot be identified",
                "Use a checkpoint whose template appends the answer to the prompt.",
            )
        # Equal prompts: the one without the option.
        prompt = max(reversed(prompts), key=lambda prompt: len(prompt.text))
        begun = BEGUN_THOUGHT.search(prompt.text) is not None
        thought = END_OF_EMPTY_THOUGHT if begun else EMPTY_THOUGHT
        if match := thought.match(with_answer, len(prompt.text)):
            return replace(prompt, text=prompt.text + match[0], suffix=match[0])
        return prompt

    def _answer_in(
        self, prompt: str, text: str, turns: Sequence[RenderedTurn], example: Example
    ) -> str:
        """Return the last answer, which `text` ends with, as the prompt of the next contains it.

        Only what follows the answer's own text may be missing there: some templates end the last
        turn with another token than earlier ones (Phi-3, gpt-oss).

        Raises:
            TrainingError: the template changes more than that.
        """
        answer = turns[-1].answer
        before = text.removesuffix(answer)
        content = message_text(example.messages[example.learned[len(turns) - 1]]).strip()
        end = answer.rfind(content) + len(content)
        kept = answer[:end]
        if content not in answer or not prompt.startswith(before + kept):
            is_thought = "<think>" in turns[-1].prompt + answer
            change = (
                f"drops the thought before answer {len(turns)}, even an empty one,"
                if is_thought
                else f"renders answer {len(turns)} differently"
            )
            raise TrainingError(
                f"{example.row_id}: the model's chat template {change} if another question "
                "follows, so it cannot be learned in the same row as the next one",
                f"Set {LEARN_TURNS} to last to learn only the last answer of each row, or use a "
                "checkpoint whose template keeps earlier answers as they are.",
                LEARN_TURNS,
            )
        for piece in self.control_tokens.split(answer[end:]):
            if not prompt.startswith(before + kept + piece):
                break
            kept += piece
        return kept

    def _check_texts(self, example: Example, turns: Sequence[RenderedTurn], text: str) -> None:
        """Raise unless the text of every question, system prompt and learned answer is rendered.

        White space may differ: many templates strip it. Turns of tools may be encoded.
        """
        answers = dict(zip(example.learned, turns, strict=True))
        squeezed = _without_spaces(text)
        for position, message in enumerate(example.messages):
            content = message_text(message)
            if position in answers:
                turn = answers[position]
                thought = THOUGHT_OF_PROMPT.search(turn.prompt)
                rendered = _without_spaces((thought[0] if thought else "") + turn.answer)
            elif message["role"] in ("system", "user"):
                rendered = squeezed
            else:
                continue
            if _without_spaces(content) not in rendered:
                raise RowError(
                    example.row_id,
                    "the model's chat template leaves out or changes the text of its "
                    f"{TURN_NAMES[message['role']]} ({content.strip()[:60]!r})",
                    "Use a checkpoint whose template has turns of this kind, put a system prompt "
                    "into the first question, or remove the row.",
                )
        if self._reads_images and any(
            text.count(parts) > sum(message_text(m).count(parts) for m in example.messages)
            for parts in PRINTED_PARTS
        ):
            raise TrainingError(
                f"{example.row_id}: the model's chat template is one for text only: it prints the "
                "parts of a turn as code",
                "Use a checkpoint whose chat template has images.",
            )

    def _apply(
        self,
        example: Example,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool,
        **options: Any,
    ) -> str:
        if not self._reads_images:  # templates of language models expect text, not parts
            messages = [{**message, "content": message_text(message)} for message in messages]
        try:
            text = self._processor.apply_chat_template(
                [dict(message) for message in messages],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **self.options,
                **options,
            )
        except TemplateSyntaxError as error:
            raise TrainingError(
                f"The chat template of the model is not valid: {error}",
                "Use another checkpoint, or correct its chat_template.jinja.",
            ) from error
        except (TemplateError, TypeError) as error:
            reason = str(error).strip().removesuffix(".")
            raise RowError(
                example.row_id,
                f"the model's chat template refuses its turns ({_roles(example)}): {reason}",
                _advice_for_roles(example),
            ) from error
        return str(text)


def _default_template(processor: Any) -> str:
    templates = processor.chat_template
    return templates if isinstance(templates, str) else str(templates.get("default", ""))


def _at_a_fixed_time(template: str) -> str:
    """Return the template with the present time, so that two renderings do not differ."""
    now = datetime.now().astimezone()
    return CLOCK.sub(lambda call: repr(now.strftime(call["format"])), template)


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def _without_end_of_turn(example: Example, turn: RenderedTurn) -> str:
    """Return the answer up to the end of its own text: a truncated answer does not end there."""
    content = example.answer.strip()
    if not content or content not in turn.answer:
        raise RowError(
            example.row_id,
            "its answer cannot be shortened, because the model's chat template changes its text",
            "Set data.on_too_long to drop, or raise data.max_length.",
        )
    return turn.answer[: turn.answer.rindex(content) + len(content)]


def _roles(example: Example) -> str:
    roles = [str(message["role"]) for message in example.messages]
    return ", ".join(roles[:6]) + (", ..." if roles[6:] else "")


def _advice_for_roles(example: Example) -> str:
    roles = {message["role"] for message in example.messages}
    advice = []
    if "system" in roles:
        advice.append("If the model has no system prompt, put it into the first question.")
    if others := sorted(roles - set(TURN_NAMES)):
        advice.append(f"If the model has no turns of {' and '.join(others)}, choose one that has.")
    advice.append("Most templates want questions and answers in turn, a question first.")
    return " ".join(advice)
