"""Rows to model inputs: chat template, tokens, pixels, and a loss on the answer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.training.data.formats import Conversation, conversation, page
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.text_encoder.instructions import IDS, MASK, Instructions
from deepsynth_tui.training.text_encoder.placeholders import is_per_token, make_room

if TYPE_CHECKING:
    from PIL import Image

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.modeling.load import Reader

IGNORED = -100  # the label that torch's cross entropy leaves out
ROW_IDS = "row_ids"  # which rows a batch holds; the trainer takes it out before the model

# For checkpoints that bring no template: the pages and the question, a line break, the answer, an
# end token. DeepSeek-OCR, which has none, is prompted like this ("<image>\nFree OCR.").
PLAIN_TEMPLATE = """\
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
class Rendered:
    """A conversation in the model's own words; `prompt + answer` is what it is trained on."""

    row_id: str
    prompt: str
    answer: str
    conversation: Conversation


class Collator:
    """Turns rows of the dataset into a batch; the data collator of the trainer.

    The prompt is tokenized as it will be when the adapter is used, and the answer's tokens are
    put behind it, so no token straddles the two. Nothing is ever cut to a length.
    """

    def __init__(self, reader: Reader, config: TrainingConfig) -> None:
        self.processor: Any = reader.processor  # called differently by either kind
        self.tokenizer = reader.tokenizer
        self.reads_images = reader.reads_images
        self.instructions = reader.instructions
        self.config = config
        self.template = None if self.processor.chat_template else PLAIN_TEMPLATE
        self.ends = end_tokens(reader)
        self.padding = token_ids(self.tokenizer.pad_token_id).pop()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return input tensors (batch, tokens), `labels`, pixels and the ids of the rows.

        `labels` equals the token on the answer, its end-of-turn included, and -100 elsewhere.

        Raises:
            TrainingError: a row cannot be used or is longer than `data.max_length`.
        """
        rendered = [self.render(row) for row in rows]
        batch = self.encode(rendered)
        width = batch["input_ids"].shape[1]
        if width > self.config.data.max_length:
            raise too_long([(one.row_id, width) for one in rendered], self.config.data.max_length)
        return {**batch, ROW_IDS: [one.row_id for one in rendered]}

    def render(self, row: Mapping[str, Any]) -> Rendered:
        """Apply the chat template to a row.

        Raises:
            TrainingError: the template rewrites the question once an answer follows it.
        """
        told = conversation(
            row,
            self.config.data,
            images=self.reads_images,
            encoded=self.instructions is not None,
        )
        prompt = self._apply(told.question, add_generation_prompt=True)
        reply = {"role": "assistant", "content": [{"type": "text", "text": told.answer}]}
        whole = self._apply([*told.question, reply], add_generation_prompt=False)
        if not whole.startswith(prompt):
            raise TrainingError(
                f"{told.row_id}: the model's chat template changes the question once it is "
                "answered, so the answer's tokens cannot be told apart",
                "Use a checkpoint whose template adds the answer behind the prompt.",
            )
        answer = whole[len(prompt) :]
        if told.is_open:  # what the template puts behind it would say that it ends there
            answer = answer[: answer.rindex(told.answer.strip()) + len(told.answer.strip())]
        return Rendered(told.row_id, prompt, answer, told)

    def answer_tokens(self, rendered: Rendered) -> list[int]:
        """Token ids of the answer, ending in a token that ends a turn unless its end was cut."""
        ids = self.tokenizer(rendered.answer, add_special_tokens=False)["input_ids"]
        if not rendered.conversation.is_open and self.ends.isdisjoint(ids):
            ids = [*ids, *token_ids(self.tokenizer.eos_token_id)]
        return ids

    def prompts(self, rendered: Sequence[Rendered]) -> dict[str, torch.Tensor]:
        """Inputs for generation: prompts padded as the tokenizer likes, with their pixels."""
        texts = [one.prompt for one in rendered]
        # As `ProcessorMixin.apply_chat_template` does: no second start token.
        start = str(self.tokenizer.bos_token or "")
        options: dict[str, Any] = {
            "padding": True,
            "return_tensors": "pt",
            "add_special_tokens": self.reads_images
            and self.template is None
            and not (start and texts[0].startswith(start)),
        }
        if not self.reads_images:
            return self._with_instructions(rendered, dict(self.tokenizer(texts, **options)))
        pages = [self._pages(one) for one in rendered]
        inputs = self.processor(text=texts, images=pages if any(pages) else None, **options)
        return self._with_instructions(rendered, dict(inputs))

    def soft_tokens(self, rendered: Rendered) -> int:
        """Places in the sequence of a row that the text encoder fills; 0 without one."""
        if self.instructions is None:
            return 0
        return self.instructions.soft_tokens(_spoken(rendered, self.instructions))

    def _pages(self, rendered: Rendered) -> list[Image.Image]:
        try:
            return [page(stored, self.config.model) for stored in rendered.conversation.images]
        except TrainingError as error:
            raise TrainingError(f"{rendered.row_id}: {error}", error.advice) from error

    def encode(self, rendered: Sequence[Rendered]) -> dict[str, torch.Tensor]:
        """Inputs and labels for training, padded on the right."""
        inputs = self.prompts(rendered)
        ids, mask = inputs.pop("input_ids"), inputs.pop("attention_mask").bool()
        kinds = {name: inputs.pop(name) for name in list(inputs) if is_per_token(name)}
        spoken = {name: inputs.pop(name) for name in (IDS, MASK) if name in inputs}
        for name, value in inputs.items():
            if value.ndim >= 2 and value.shape[:2] == ids.shape:
                raise TrainingError(
                    f"The processor returns {name}, one value per token, which is not supported",
                    "Choose a model of another architecture.",
                )
        answers = [torch.tensor(self.answer_tokens(one)) for one in rendered]
        prompts = [ids[i][mask[i]] for i in range(len(rendered))]
        tokens = [torch.cat(pair) for pair in zip(prompts, answers, strict=True)]
        labels = [
            torch.cat([torch.full_like(prompt, IGNORED), answer])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        # An answer has no image tokens and no soft ones: type 0.
        for name, value in kinds.items():
            rows = [value[i][mask[i]] for i in range(len(rendered))]
            longer = [
                torch.cat([row, row.new_zeros(len(answer))])
                for row, answer in zip(rows, answers, strict=True)
            ]
            inputs[name] = pad(longer, 0)
        return {
            **inputs,
            **spoken,
            "input_ids": pad(tokens, self.padding),
            "attention_mask": pad([torch.ones_like(row) for row in tokens], 0),
            "labels": pad(labels, IGNORED),
        }

    def _with_instructions(
        self, rendered: Sequence[Rendered], inputs: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Add what the text encoder reads, and room for what it says."""
        if self.instructions is None:
            return inputs
        spoken = [_spoken(one, self.instructions) for one in rendered]
        longer = make_room(
            inputs,
            [self.instructions.soft_tokens(ids) for ids in spoken],
            filler=self.padding,
            starts=token_ids(self.tokenizer.bos_token_id),
            pad_left=self.tokenizer.padding_side == "left",
        )
        return {**longer, **self.instructions.batch(spoken)}

    def _apply(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
        if not self.reads_images:  # templates of language models expect text, not parts
            messages = [
                {**message, "content": "".join(part["text"] for part in message["content"])}
                for message in messages
            ]
        options: dict[str, Any] = {}
        if self.template is not None:
            options = {
                "chat_template": self.template,
                "image_token": getattr(self.processor, "image_token", ""),
                "bos_token": self.tokenizer.bos_token,
                "eos_token": self.tokenizer.eos_token,
            }
        text = self.processor.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **options,
        )
        return str(text)


def _spoken(rendered: Rendered, instructions: Instructions) -> list[int]:
    """The instruction of a row as tokens of the text encoder."""
    return instructions.ids(rendered.row_id, str(rendered.conversation.instruction))


def end_tokens(reader: Reader) -> set[int]:
    """Ids of the tokens at which generation ends."""
    ends = token_ids(getattr(reader.generation, "eos_token_id", None))
    return ends | token_ids(reader.tokenizer.eos_token_id)


def token_ids(stated: Any) -> set[int]:
    """Ids that transformers states as one number, a list of them, or None."""
    return {stated} if isinstance(stated, int) else set(stated or ())


def pad(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    """Stack 1-D tensors to (rows, longest), filled up on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)


def too_long(
    rows: Sequence[tuple[str, int]], limit: int, instead: str = "Or lower model.max_pixels."
) -> TrainingError:
    """The refusal of rows that are longer than `limit` tokens; `rows` are (id, tokens), `instead`
    says what else than a higher limit would make them fit."""
    over = sorted((row for row in rows if row[1] > limit), key=lambda row: -row[1])
    shown = ", ".join(f"{row_id}: {tokens} tokens" for row_id, tokens in over[:3])
    more = f" and {len(over) - 3} more" if len(over) > 3 else ""
    return TrainingError(
        f"{len(over)} rows are longer than data.max_length ({limit} tokens, image tokens "
        f"included): {shown}{more}",
        f"Raise data.max_length to {over[0][1]}. {instead} data.on_too_long: drop leaves such "
        "rows out, shorten cuts their text; image tokens are never cut.",
    )
