"""Generate answers to some held-out rows at each evaluation, and score them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample
from deepsynth_tui.training.evaluation.generate import evaluation_mode, generate_answers
from deepsynth_tui.training.evaluation.metrics import character_error_rate, exact_match, rouge_l
from deepsynth_tui.training.evaluation.samples import input_text

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

# `max_new_tokens` over the tokens of the target: an answer that does not end shows as one, at
# little cost. A truncated target gets no more tokens than it has: only its beginning is compared.
MAX_NEW_TOKENS_FACTOR = 1.25
MAX_SAMPLE_EVENTS = 2  # answers of an evaluation that become `sample` events


class AnswerScorer:
    """Generates the last answers of a few held-out rows, the same at every evaluation.

    The model reads everything before them, earlier answers as they are in the dataset.

    Every rank of a run generates all of them: they get the same metrics, and so they agree on the
    best checkpoint and on early stopping.
    """

    def __init__(self, job: Job, collator: Collator, held_out: Rows, *, count: int) -> None:
        self.job = job
        self.collator = collator
        seed = collator.config.data.split_seed
        positions = sorted(evenly_spaced_sample(len(held_out), count, seed=seed))
        self.examples = [held_out[position] for position in positions]

    def scores(self, model: PeftModel | PreTrainedModel, *, step: int) -> dict[str, float]:
        """Return `eval_exact_match`, `eval_rouge_l` and `eval_cer`; report some answers as samples.

        Mode and random numbers are restored, so that training continues as if uninterrupted.
        """
        collator = self.collator
        chats = [collator.render(example) for example in self.examples]
        max_new_tokens = [_max_new_tokens(chat, collator) for chat in chats]
        # Similar lengths together: a batch takes as long as its longest answer.
        order = sorted(range(len(chats)), key=max_new_tokens.__getitem__)
        batch_size = collator.config.training.per_device_train_batch_size
        outputs = [""] * len(chats)
        with evaluation_mode(model):
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                self.job.progress(start, len(order), "answers")
                answers = generate_answers(
                    model,
                    collator,
                    [chats[i] for i in batch],
                    max_new_tokens=[max_new_tokens[i] for i in batch],
                )
                for i, answer in zip(batch, answers, strict=True):
                    outputs[i] = answer
        targets = [chat.example.answer for chat in chats]
        # Before the first step these are answers of the base model, which has its own samples.
        shown = MAX_SAMPLE_EVENTS if step else 0
        samples = list(zip(chats, targets, outputs, strict=True))[:shown]
        for chat, target, output in samples:
            self.job.sample(
                input=input_text(chat), target=target, output=output, when="during", step=step
            )
        return {
            "eval_exact_match": exact_match(targets, outputs),
            "eval_rouge_l": rouge_l(targets, outputs),
            "eval_cer": character_error_rate(targets, outputs),
        }


def _max_new_tokens(chat: RenderedChat, collator: Collator) -> int:
    factor = 1 if chat.example.answer_truncated else MAX_NEW_TOKENS_FACTOR
    return math.ceil(factor * len(collator.answer_ids(chat)))
