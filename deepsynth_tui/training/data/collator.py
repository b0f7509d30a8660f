"""The data collator: examples to padded model inputs, with labels on the answers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.conversations.errors import RowError, errors_of_row
from deepsynth_tui.training.data.chat_template import ChatTemplate, RenderedChat
from deepsynth_tui.training.data.pages import load_page
from deepsynth_tui.training.data.turn_tokens import (
    Separator,
    choose_separator,
    interleave,
    possible_separators,
    split,
)
from deepsynth_tui.training.failures import TrainingError
from deepsynth_tui.training.features.batch import PAGES
from deepsynth_tui.training.text_encoder.instruction_tokenizer import (
    INSTRUCTION_IDS,
    INSTRUCTION_MASK,
    InstructionTokenizer,
)
from deepsynth_tui.training.text_encoder.placeholders import insert_placeholders, is_per_token

if TYPE_CHECKING:
    from PIL import Image

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.example import Example
    from deepsynth_tui.training.features.cache import PageFeatureCache
    from deepsynth_tui.training.modeling.processor import Preprocessor

IGNORE_INDEX = -100  # torch's cross entropy ignores this label
# What image processors raise for sizes that they do not support.
PROCESSOR_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
ROW_IDS = "row_ids"  # the rows of a batch; the trainer removes it before the forward pass


class Collator:
    """Turns examples into a batch.

    Prompts are tokenized the way they will be when the adapter is used, and the tokens of each
    learned answer are inserted after its prompt, so that no token spans both. Nothing is ever
    truncated to a length.
    """

    def __init__(self, preprocessor: Preprocessor, config: TrainingConfig) -> None:
        self.processor: Any = preprocessor.processor  # processor or tokenizer
        self.tokenizer = preprocessor.tokenizer
        self.reads_images = preprocessor.reads_images
        self.instruction_tokenizer = preprocessor.instruction_tokenizer
        self.config = preprocessor.pixel_limits.before_processor(config)
        self.features: PageFeatureCache | None = None
        self.chat_template = ChatTemplate(preprocessor)
        self.eos_token_ids = eos_token_ids(preprocessor)
        self.pad_token_id = token_id_set(self.tokenizer.pad_token_id).pop()
        self.separators = possible_separators(
            self.tokenizer, self.chat_template.control_tokens.image_tokens
        )

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return input tensors (rows, tokens), `labels`, pixels and the ids of the rows.

        Labels are the token ids of each learned answer, including its end of turn, and -100
        elsewhere.

        Raises:
            RowError: a row cannot be used.
            TrainingError: a row is longer than `data.max_length`.
        """
        chats = [self.render(example) for example in examples]
        batch = self.encode(chats)
        width = batch["input_ids"].shape[1]
        if width > self.config.data.max_length:
            lengths = [(chat.row_id, width) for chat in chats]
            raise too_long_error(lengths, self.config.data.max_length)
        return {**batch, ROW_IDS: [chat.row_id for chat in chats]}

    def render(self, example: Example) -> RenderedChat:
        """Render an example with the chat template. Raises as `ChatTemplate.render`."""
        return self.chat_template.render(example)

    def encode(self, chats: Sequence[RenderedChat]) -> dict[str, torch.Tensor]:
        """Return inputs and labels for training, padded on the right.

        Raises:
            RowError: an image cannot be decoded, or the processor refuses the pages of a row.
            TrainingError: the processor returns an input with one value per token that is not
                supported.
        """
        separator = self._separator(chats)
        inputs = self._encode_texts(chats, [_joined_prompts(chat, separator) for chat in chats])
        ids, mask = inputs.pop("input_ids"), inputs.pop("attention_mask").bool()
        per_token = {name: inputs.pop(name) for name in list(inputs) if is_per_token(name)}
        instructions = {
            name: inputs.pop(name) for name in (INSTRUCTION_IDS, INSTRUCTION_MASK) if name in inputs
        }
        for name, value in inputs.items():
            if name != PAGES and value.ndim >= 2 and value.shape[:2] == ids.shape:
                raise TrainingError(
                    f"The processor returns {name}, one value per token, which is not supported",
                    "Choose a model of another architecture.",
                )

        def split_rows(values: torch.Tensor) -> list[list[torch.Tensor]]:
            """Return the values of each prompt of each row."""
            rows = [(values[i][mask[i]], ids[i][mask[i]]) for i in range(len(chats))]
            if separator is None:
                return [[row] for row, _ in rows]
            return [split(row, row_ids == separator.token_id) for row, row_ids in rows]

        prompts = split_rows(ids)
        if separator and list(map(len, prompts)) != [len(chat.turns) for chat in chats]:
            raise TrainingError(
                f"The processor of the model writes {separator.token} itself, so a row with "
                "several learned answers cannot be tokenized",
                "Set data.learn_turns to last to learn only the last answer of each row.",
                "data.learn_turns",
            )
        answers = [[torch.tensor(ids) for ids in self.learned_ids(chat)] for chat in chats]
        tokens = list(map(interleave, prompts, answers))
        masked = [self._prompt_labels(*row) for row in zip(prompts, answers, strict=True)]
        # An answer has neither image tokens nor soft tokens: 0.
        zeros = [[torch.zeros_like(answer) for answer in row] for row in answers]
        for name, values in per_token.items():
            inputs[name] = pad_right(list(map(interleave, split_rows(values), zeros)), 0)
        # `Trainer.evaluate` takes the number of rows from the first input.
        return {
            "input_ids": pad_right(tokens, self.pad_token_id),
            "attention_mask": pad_right([torch.ones_like(row) for row in tokens], 0),
            "labels": pad_right(list(map(interleave, masked, answers)), IGNORE_INDEX),
            **inputs,
            **instructions,
        }

    def _prompt_labels(
        self, prompts: Sequence[torch.Tensor], answers: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return the labels of the prompts of a row: -100.

        With some templates the first token of the next question is what ends an answer (GLM).
        """
        labels = [torch.full_like(prompt, IGNORE_INDEX) for prompt in prompts]
        for prompt, label, answer in zip(prompts[1:], labels[1:], answers[:-1], strict=True):
            if self.eos_token_ids.isdisjoint(answer.tolist()):
                label[0] = prompt[0] if int(prompt[0]) in self.eos_token_ids else IGNORE_INDEX
        return labels

    def encode_prompts(self, chats: Sequence[RenderedChat]) -> dict[str, torch.Tensor]:
        """Return inputs to generate the last answers: all before them, with pixels.

        They are padded on the tokenizer's side.
        """
        return self._encode_texts(chats, [chat.prompt for chat in chats])

    def model_inputs(self, inputs: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
        """Return inputs on a device, with features in place of the pages that have them."""
        moved = {name: value.to(device) for name, value in inputs.items()}
        return self.features.model_inputs(moved) if self.features is not None else moved

    def learned_ids(self, chat: RenderedChat) -> list[list[int]]:
        """Return the token ids of each learned answer.

        Earlier answers end as the chat template ends them.
        """
        earlier = [turn.answer for turn in chat.turns[:-1]]
        ids = self.tokenizer(earlier, add_special_tokens=False)["input_ids"] if earlier else []
        return [*ids, self.answer_ids(chat)]

    def count_text_tokens(self, chat: RenderedChat) -> int:
        """Return the number of tokens of a row's text, soft tokens included.

        The template's placeholder of an image is text here.
        """
        joined = _joined_prompts(chat, self._separator([chat]))
        prompts = self.tokenizer(joined, add_special_tokens=False)["input_ids"]
        separators = len(chat.turns) - 1
        answers = sum(map(len, self.learned_ids(chat)))
        return len(prompts) - separators + answers + self.count_soft_tokens(chat)

    def image_surroundings(self, chat: RenderedChat) -> tuple[str, ...]:
        """Return the image tokens in the prompts with the white space and punctuation at them.

        A processor may insert line breaks, which become one token with those.
        """
        pattern = self.chat_template.control_tokens.image_surroundings
        return tuple(match for turn in chat.turns for match in pattern.findall(turn.prompt))

    def _separator(self, chats: Sequence[RenderedChat]) -> Separator | None:
        prompts = [[turn.prompt for turn in chat.turns] for chat in chats]
        return choose_separator(self.separators, prompts)

    def _encode_texts(
        self, chats: Sequence[RenderedChat], texts: list[str]
    ) -> dict[str, torch.Tensor]:
        options: dict[str, Any] = {
            "padding": True,
            "return_tensors": "pt",
            "add_special_tokens": self.adds_special_tokens(texts[0]),
        }
        if not self.reads_images:
            return self._add_instructions(chats, dict(self.tokenizer(texts, **options)))
        try:
            inputs = self._process(chats, texts, options)
        except PROCESSOR_ERRORS as error:
            self._refuse_row(chats, error)
            raise
        return self._add_instructions(chats, dict(inputs))

    def _process(
        self, chats: Sequence[RenderedChat], texts: list[str], options: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Return what the processor returns, with features in place of pixels if they are cached.

        A sequence without pages has nothing to look up.
        """
        if self.features is not None and any(chat.example.images for chat in chats):
            return self.features.process(texts, chats, **options)
        pages = [self._load_pages(chat) for chat in chats]
        return self.processor(text=texts, images=pages if any(pages) else None, **options)

    def adds_special_tokens(self, prompt: str) -> bool:
        """Whether the tokenizer adds its special tokens to a prompt.

        As `ProcessorMixin.apply_chat_template` does: no second start token.
        """
        start = str(self.tokenizer.bos_token or "")
        return (
            self.reads_images
            and not self.chat_template.is_fallback
            and not (start and prompt.startswith(start))
        )

    def answer_ids(self, chat: RenderedChat) -> list[int]:
        """Return the token ids of the last answer, with an end token unless it is truncated."""
        ids = self.tokenizer(chat.answer, add_special_tokens=False)["input_ids"]
        if not chat.example.answer_truncated and self.eos_token_ids.isdisjoint(ids):
            ids = [*ids, *token_id_set(self.tokenizer.eos_token_id)]
        return ids

    def count_soft_tokens(self, chat: RenderedChat) -> int:
        """Return the number of the text encoder's soft tokens in a row; 0 without an encoder."""
        if self.instruction_tokenizer is None:
            return 0
        ids = _instruction_ids(chat, self.instruction_tokenizer)
        return self.instruction_tokenizer.count_soft_tokens(ids)

    def _load_pages(self, chat: RenderedChat) -> list[Image.Image]:
        with errors_of_row(chat.row_id):
            return [load_page(stored, self.config.model) for stored in chat.example.images]

    def _refuse_row(
        self,
        chats: Sequence[RenderedChat],
        error: Exception,
    ) -> None:
        """Raise `RowError` for the row that the processor refuses, if it is a single one."""
        if len(chats) > 1:
            for chat in chats:
                self.encode_prompts([chat])
            return
        pages = self._load_pages(chats[0])
        sizes = ", ".join(f"{page.width} x {page.height}" for page in pages)
        refused = f"its pages ({sizes} pixels)" if sizes else "its text"
        raise RowError(
            chats[0].row_id,
            f"the model's processor refuses {refused}: {error}",
            "Change the shape of the pages, or remove the row.",
        ) from error

    def _add_instructions(
        self, chats: Sequence[RenderedChat], inputs: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Add the inputs of the text encoder, and placeholders for its soft tokens."""
        if self.instruction_tokenizer is None:
            return inputs
        instructions = [_instruction_ids(chat, self.instruction_tokenizer) for chat in chats]
        extended = insert_placeholders(
            inputs,
            [self.instruction_tokenizer.count_soft_tokens(ids) for ids in instructions],
            placeholder_id=self.pad_token_id,
            bos_token_ids=token_id_set(self.tokenizer.bos_token_id),
            pad_left=self.tokenizer.padding_side == "left",
        )
        return {**extended, **self.instruction_tokenizer.batch(instructions)}


def _joined_prompts(chat: RenderedChat, separator: Separator | None) -> str:
    return (separator.token if separator else "").join(turn.prompt for turn in chat.turns)


def _instruction_ids(chat: RenderedChat, tokenizer: InstructionTokenizer) -> list[int]:
    """Tokenize the instruction of a row for the text encoder."""
    return tokenizer.encode(chat.row_id, str(chat.example.instruction))


def eos_token_ids(preprocessor: Preprocessor) -> set[int]:
    """Return the ids of the tokens at which generation ends."""
    ids = token_id_set(getattr(preprocessor.generation_config, "eos_token_id", None))
    return ids | token_id_set(preprocessor.tokenizer.eos_token_id)


def token_id_set(token_ids: Any) -> set[int]:
    """Return ids that transformers gives as one number, a list of numbers, or None."""
    return {token_ids} if isinstance(token_ids, int) else set(token_ids or ())


def pad_right(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    """Stack 1-D tensors to (rows, longest), padded on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)


def too_long_error(
    rows: Sequence[tuple[str, int]], limit: int, alternative: str = "Or lower model.max_pixels."
) -> TrainingError:
    """Return the error for rows of more than `limit` tokens.

    `rows` are (id, tokens); `alternative` is advice other than to raise the limit.
    """
    too_long = sorted((row for row in rows if row[1] > limit), key=lambda row: -row[1])
    listed = ", ".join(f"{row_id}: {tokens} tokens" for row_id, tokens in too_long[:3])
    more = f" and {len(too_long) - 3} more" if len(too_long) > 3 else ""
    return TrainingError(
        f"{len(too_long)} rows are longer than data.max_length ({limit} tokens, image tokens "
        f"included): {listed}{more}",
        f"Raise data.max_length to {too_long[0][1]}. {alternative} data.on_too_long: drop leaves "
        "such rows out, shorten truncates their text; image tokens are never truncated.",
    )
