"""A row as text: its conversation rendered with the chat template of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepsynth_tui.training.data.formats import Conversation, row_to_conversation
from deepsynth_tui.training.failures import TrainingError

if TYPE_CHECKING:
    from deepsynth_tui.config.training import DataSettings
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
    """A rendered conversation. The model is trained on `prompt + answer`."""

    row_id: str
    prompt: str
    answer: str
    conversation: Conversation


class ChatTemplate:
    """The model's own chat template, or `FALLBACK_TEMPLATE` if the checkpoint has none."""

    def __init__(self, preprocessor: Preprocessor, data: DataSettings) -> None:
        self._processor: Any = preprocessor.processor  # processor or tokenizer
        self._tokenizer = preprocessor.tokenizer
        self._reads_images = preprocessor.reads_images
        self._has_text_encoder = preprocessor.instruction_tokenizer is not None
        self._data = data
        self.is_fallback = not self._processor.chat_template

    def render(self, row: Mapping[str, Any]) -> RenderedChat:
        """Render a row as prompt and answer.

        Raises:
            TrainingError: the row has no usable conversation, or the template renders the question
                differently if an answer follows.
        """
        conversation = row_to_conversation(
            row, self._data, images=self._reads_images, text_encoder=self._has_text_encoder
        )
        prompt = self._apply(conversation.question, add_generation_prompt=True)
        reply = {"role": "assistant", "content": [{"type": "text", "text": conversation.answer}]}
        full_text = self._apply([*conversation.question, reply], add_generation_prompt=False)
        if not full_text.startswith(prompt):
            raise TrainingError(
                f"{conversation.row_id}: the model's chat template renders the question "
                "differently if an answer follows, so the tokens of the answer cannot be "
                "identified",
                "Use a checkpoint whose template appends the answer to the prompt.",
            )
        answer = full_text[len(prompt) :]
        if conversation.answer_truncated:  # drop the end of turn, which would end the answer here
            text = conversation.answer.strip()
            answer = answer[: answer.rindex(text) + len(text)]
        return RenderedChat(conversation.row_id, prompt, answer, conversation)

    def _apply(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
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
