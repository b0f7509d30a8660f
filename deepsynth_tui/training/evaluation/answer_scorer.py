"""Generate answers to some held-out rows at each evaluation, and score them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepsynth_tui.training.data.sample_rows import evenly_spaced_sample
from deepsynth_tui.training.evaluation.generate import (
    Answer,
    answer_limit,
    evaluation_mode,
    generate_answers,
)
from deepsynth_tui.training.evaluation.metrics import character_error_rate, exact_match, rouge_l
from deepsynth_tui.training.evaluation.samples import first_page_in_braille, input_text

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.runs.job import Job
    from deepsynth_tui.training.data.chat_template import RenderedChat
    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.dataset import Rows

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
        self._pages_reported: set[str] = set()

    def _page_once(self, chat: RenderedChat) -> dict[str, object]:
        """Return the field `page` of the first sample of each row: it is large."""
        if chat.example.row_id in self._pages_reported:
            return {}
        self._pages_reported.add(chat.example.row_id)
        return {"page": first_page_in_braille(chat, self.collator)}

    def scores(self, model: PeftModel | PreTrainedModel, *, step: int) -> dict[str, float]:
        """Return `eval_exact_match`, `eval_rouge_l` and `eval_cer`; report some answers as samples.

        `eval_cut_answers` counts the answers that did not end within their limit: the character
        error rate counts what was generated of them.

        Mode and random numbers are restored, so that training continues as if uninterrupted.
        """
        collator = self.collator
        chats = [collator.render(example) for example in self.examples]
        max_new_tokens = [answer_limit(collator, chat) for chat in chats]
        # Similar lengths together: a batch takes as long as its longest answer.
        order = sorted(range(len(chats)), key=max_new_tokens.__getitem__)
        batch_size = collator.config.training.per_device_eval_batch_size
        generated = [Answer("", is_cut=False)] * len(chats)
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
                    generated[i] = answer
        targets = [chat.example.answer for chat in chats]
        outputs = [answer.text for answer in generated]
        # Before the first step these are answers of the base model, which has its own samples.
        shown = MAX_SAMPLE_EVENTS if step else 0
        for chat, target, answer in list(zip(chats, targets, generated, strict=True))[:shown]:
            self.job.sample(
                input=input_text(chat),
                target=target,
                output=answer.text,
                is_cut=answer.is_cut,
                when="during",
                step=step,
                **self._page_once(chat),
            )
        # Of a truncated target only the beginning is compared.
        whole = zip(chats, generated, strict=True)
        cut = sum(answer.is_cut for chat, answer in whole if not chat.example.answer_truncated)
        return {
            "eval_exact_match": exact_match(targets, outputs),
            "eval_rouge_l": rouge_l(targets, outputs),
            "eval_cer": character_error_rate(targets, outputs),
            "eval_cut_answers": cut,
        }
