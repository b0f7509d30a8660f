"""Answers to some of the held-out rows at each evaluation, and what they score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from deepsynth_tui.training.data.sample_rows import even_sample
from deepsynth_tui.training.evaluation.generate import answers, undisturbed
from deepsynth_tui.training.evaluation.metrics import character_error_rate, exact_match, rouge_l
from deepsynth_tui.training.evaluation.samples import shown_input

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

# An answer may be this much longer than the right one, in tokens: one that does not end is seen
# to, and takes no more time than that. Of an answer that was cut only the beginning is compared.
ROOM = 1.25
SHOWN = 2  # answers of each evaluation that become events


class AnswerScorer:
    """Generates the answers to a few held-out rows, the same at every evaluation.

    Every process of a run generates all of them: they get the same figures, and so they agree on
    which checkpoint is best and when to stop early.
    """

    def __init__(self, job: Job, batcher: Collator, held_out: Rows, *, count: int) -> None:
        self.job = job
        self.batcher = batcher
        self.rows = [
            held_out[index]
            for index in sorted(
                even_sample(len(held_out), count, seed=batcher.config.data.split_seed)
            )
        ]

    def scores(self, model: PeftModel | PreTrainedModel, *, step: int) -> dict[str, float]:
        """Return `eval_exact_match`, `eval_rouge_l` and `eval_cer`, and report the first answers as
        samples.

        Mode and random numbers are left as they were: training goes on as if not interrupted.
        """
        batcher = self.batcher
        rendered = [batcher.render(row) for row in self.rows]
        most = [
            math.ceil((1 if one.conversation.is_open else ROOM) * len(batcher.answer_tokens(one)))
            for one in rendered
        ]
        # Of like length together: a batch takes as long as its longest answer.
        order = sorted(range(len(rendered)), key=lambda i: most[i])
        size = batcher.config.training.per_device_train_batch_size
        outputs = [""] * len(rendered)
        with undisturbed(model):
            for start in range(0, len(order), size):
                chosen = order[start : start + size]
                self.job.progress(start, len(order), "answers")
                made = answers(
                    model,
                    batcher,
                    [rendered[i] for i in chosen],
                    new_tokens=[most[i] for i in chosen],
                )
                for i, output in zip(chosen, made, strict=True):
                    outputs[i] = output
        targets = [one.conversation.answer for one in rendered]
        shown = zip(self.rows, rendered, outputs, strict=True)
        # Before the first step these are the base's, which are shown at length as it is.
        for row, one, output in list(shown)[: SHOWN if step else 0]:
            told = {"input": shown_input(row, one), "target": one.conversation.answer}
            self.job.sample(**told, output=output, when="during", step=step)
        return {
            "eval_exact_match": exact_match(targets, outputs),
            "eval_rouge_l": rouge_l(targets, outputs),
            "eval_cer": character_error_rate(targets, outputs),
        }
