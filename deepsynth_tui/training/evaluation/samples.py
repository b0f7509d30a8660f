"""What the model makes of one document, and how well it expects the right answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from deepsynth_tui.page_thumbnail import CELL_WIDTH, braille_lines
from deepsynth_tui.training.data.collator import IGNORED
from deepsynth_tui.training.data.formats import page
from deepsynth_tui.training.evaluation.generate import answers, undisturbed
from deepsynth_tui.training.modeling.load import inference

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.training.data.collator import Collator, Rendered

NEW_TOKENS = 48
READ_ALOUD = 160  # tokens: a base that does not answer but reads the page may be heard so long
SHOWN_CHARACTERS = 2000  # of the document
PAGE_COLUMNS = 128  # braille characters, at most


@dataclass(frozen=True, slots=True)
class Sample:
    """`loss` is the mean over the tokens of the right answer, in nats; `page` the first page in
    braille, no lines where the model gets none."""

    input: str
    target: str
    output: str
    loss: float
    page: tuple[str, ...]


def sample(model: PeftModel | PreTrainedModel, batcher: Collator, row: dict[str, Any]) -> Sample:
    """Generate the answer to one row, greedily, and compute the loss of the right one."""
    rendered = batcher.render(row)
    device = next(model.parameters()).device
    with undisturbed(model):
        output = answer(model, batcher, rendered, new_tokens=_patience(row, batcher))
        with inference(batcher.config):
            inputs = batcher.encode([rendered])
            loss = model(**{name: value.to(device) for name, value in inputs.items()}).loss
    return Sample(
        input=shown_input(row, rendered),
        target=rendered.conversation.answer,
        output=output,
        loss=loss.item(),
        page=tuple(_page(rendered, batcher)),
    )


def answer(
    model: PeftModel | PreTrainedModel,
    batcher: Collator,
    rendered: Rendered,
    *,
    new_tokens: int = NEW_TOKENS,
) -> str:
    """Generate at most `new_tokens` tokens, each the likeliest; special tokens are left out."""
    return answers(model, batcher, [rendered], new_tokens=[new_tokens])[0]


def _patience(row: dict[str, Any], batcher: Collator) -> int:
    """Return how many tokens an answer may have: the document's, within bounds."""
    read = (document(row) or "")[:SHOWN_CHARACTERS]
    tokens = batcher.tokenizer(read, add_special_tokens=False)["input_ids"]
    return min(max(NEW_TOKENS, len(tokens)), READ_ALOUD)


def _page(rendered: Rendered, batcher: Collator) -> list[str]:
    images = rendered.conversation.images
    if not images:
        return []
    first = page(images[0], batcher.config.model)
    return braille_lines(first, min(PAGE_COLUMNS, -(-first.width // CELL_WIDTH)))


def shown_input(row: dict[str, Any], rendered: Rendered) -> str:
    """What a person is shown of a row: the beginning of the document, else the prompt."""
    return str(document(row) or rendered.prompt)[:SHOWN_CHARACTERS]


def document(row: dict[str, Any]) -> str | None:
    """The text that was drawn on the pages, where the dataset tells it."""
    return row.get("prompted_text") or row.get("text")


def answer_logits(
    model: PeftModel | PreTrainedModel, inputs: dict[str, torch.Tensor], config: TrainingConfig
) -> torch.Tensor:
    """Scores that predict the answer's tokens, float32 on the CPU: (tokens, vocabulary)."""
    device = next(model.parameters()).device
    with inference(config):
        logits = model(**{name: value.to(device) for name, value in inputs.items()}).logits
    predicts_answer = inputs["labels"][0, 1:] != IGNORED
    return logits[0, :-1][predicts_answer.to(logits.device)].float().cpu()
