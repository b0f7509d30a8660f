"""An example as text: its conversation rendered with the chat template of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True, slots=True)
class RenderedChat:
    """A rendered example. The model is trained on `prompt + answer`."""

    prompt: str
    answer: str
    example: Example

    @property
    def row_id(self) -> str:
        """Name of the row in messages."""
        return self.example.row_id


class ChatTemplate:
    """The model's own chat template, or `FALLBACK_TEMPLATE` if the checkpoint has none."""

    def __init__(self, preprocessor: Preprocessor) -> None:
        self._processor: Any = preprocessor.processor  # processor or tokenizer
        self._tokenizer = preprocessor.tokenizer
        self._reads_images = preprocessor.reads_images
        self.is_fallback = not self._processor.chat_template

    def render(self, example: Example) -> RenderedChat:
        """Render an example as prompt and answer.

        Raises:
            TrainingError: the template renders the question differently if an answer follows.
        """
        prompt = self._apply(example.question, add_generation_prompt=True)
        reply = {"role": "assistant", "content": [{"type": "text", "text": example.answer}]}
        full_text = self._apply([*example.question, reply], add_generation_prompt=False)
        if not full_text.startswith(prompt):
            raise TrainingError(
                f"{example.row_id}: the model's chat template renders the question "
                "differently if an answer follows, so the tokens of the answer cannot be "
                "identified",
                "Use a checkpoint whose template appends the answer to the prompt.",
            )
        answer = full_text[len(prompt) :]
        if example.answer_truncated:  # drop the end of turn, which would end the answer here
            text = example.answer.strip()
            answer = answer[: answer.rindex(text) + len(text)]
        return RenderedChat(prompt, answer, example)

    def _apply(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        if not self._reads_images:  # templates of language models expect text, not parts
            messages = [
                {**message, "content": "".join(part["text"] for part in message["content"])}
                for message in messages
            ]
        options: dict[str, Any] = {}
        if self.is_fallback:
            options = {
                "chat_template": FALLBACK_TEMPLATE,
                "image_token": getattr(self._processor, "image_token", ""),
                "bos_token": self._tokenizer.bos_token,
                "eos_token": self._tokenizer.eos_token,
            }
        text = self._processor.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **options,
        )
        return str(text)
