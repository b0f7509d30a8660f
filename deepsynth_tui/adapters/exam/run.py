"""Answer the rows of an exam with adapters and their base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from transformers import AutoConfig

from deepsynth_tui import builtin
from deepsynth_tui.adapters.description import Adapter
from deepsynth_tui.adapters.exam.files import (
    EXAMS,
    CandidateRecord,
    Exam,
    ExamAnswer,
    ExamFolder,
)
from deepsynth_tui.adapters.exam.rows import ExamData, OpenedExam, open_exam
from deepsynth_tui.adapters.loaded import LoadedAdapters, collator_of, group_adapters
from deepsynth_tui.adapters.settings import answer_config, base_config
from deepsynth_tui.config.locations import home
from deepsynth_tui.errors import UserError
from deepsynth_tui.training.data.example import ExampleBuilder
from deepsynth_tui.training.evaluation.generate import answer_limit, generate_answers
from deepsynth_tui.training.modeling.processor import is_image_model
from deepsynth_tui.training.result.file_names import PEFT_CONFIG

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.conversations.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Candidate:
    """An adapter at a strength, or the base of one with `adapter` None, and its settings."""

    record: CandidateRecord
    adapter: Adapter | None
    config: TrainingConfig
    strength: float = 1.0

    def switched_on(
        self, loaded: LoadedAdapters
    ) -> AbstractContextManager[PeftModel | PreTrainedModel]:
        """Return the context in which the loaded model is this candidate."""
        if self.adapter is None:
            return loaded.base_only()
        return loaded.switched_on(self.adapter, strength=self.strength)


class Measure(Protocol):
    """What else is measured of each candidate, once."""

    def is_needed(self, folder: ExamFolder, candidate: Candidate) -> bool:
        """Return whether `folder` lacks the result."""
        ...

    def run(self, folder: ExamFolder, candidate: Candidate, loaded: LoadedAdapters) -> None:
        """Measure the candidate and write the result into `folder`."""
        ...


def run_exam(
    adapters: Sequence[Adapter],
    data: ExamData,
    folder: Path | None,
    *,
    with_base: bool,
    batch_size: int | None,
    on_progress: Callable[[str], None],
    strengths: Sequence[float] = (1.0,),
    measure: Measure | None = None,
) -> tuple[ExamFolder, list[str]]:
    """Answer every row that is not answered yet; return the folder and the keys of candidates.

    `folder` is by default one for these rows under the home. `batch_size` is by default that of
    each adapter's run. Each adapter answers at each of the `strengths`, none of which is 0.
    `measure` is called with the model as each of the candidates that it `is_needed` for.

    Raises:
        UserError: the dataset or an adapter cannot be used, or `folder` holds something else.
        OSError: the base model is missing, or a file cannot be written.
    """
    opened = open_exam(data, adapters, images=_reads_images(adapters))
    exam_folder = ExamFolder(folder or home() / EXAMS / opened.exam.fingerprint)
    keys: list[str] = []
    with exam_folder.lock():
        exam_folder.write_exam(opened.exam)
        groups = group_adapters(adapters)
        for group in groups:
            candidates = list(
                _candidates(group, strengths, with_base=with_base, several=len(groups) > 1)
            )
            for candidate in candidates:
                exam_folder.write_candidate(candidate.record)
                keys.append(candidate.record.key)
            missing = [
                candidate
                for candidate in candidates
                if _missing_rows(exam_folder, opened.exam, candidate)
                or (measure is not None and measure.is_needed(exam_folder, candidate))
            ]
            if not missing:
                continue
            on_progress(f"loading {group[0].base}")
            loaded = LoadedAdapters(group)
            for candidate in missing:
                _answer_rows(
                    loaded,
                    candidate,
                    opened,
                    exam_folder,
                    batch_size=batch_size,
                    on_progress=on_progress,
                )
                if measure is not None and measure.is_needed(exam_folder, candidate):
                    measure.run(exam_folder, candidate, loaded)
    return exam_folder, keys


def _reads_images(adapters: Sequence[Adapter]) -> bool:
    kinds = {_model_reads_images(adapter) for adapter in adapters}
    if len(kinds) > 1:
        raise UserError(
            "Some of these adapters read images and others text only",
            "Examine them separately",
        )
    return kinds.pop()


def _model_reads_images(adapter: Adapter) -> bool:
    if adapter.lineage:
        return adapter.lineage["base"]["reads_images"]
    settings = answer_config(adapter).model
    model_config = AutoConfig.from_pretrained(
        builtin.locate(settings.name_or_path),
        revision=settings.revision,
        trust_remote_code=settings.trust_remote_code,
    )
    return is_image_model(model_config, settings)


def _candidates(
    group: Sequence[Adapter], strengths: Sequence[float], *, with_base: bool, several: bool
) -> Iterator[Candidate]:
    """Yield the base, if asked for, and the adapters of a group at each strength.

    The base comes first: it answers before an adapter is loaded that changes its weights.
    """
    if with_base:
        config = base_config(answer_config(group[0]))
        quantized = f" in {config.quantization.bits} bits" if config.quantization.enabled else ""
        name = f"base {group[0].base}{quantized}" if several else "base"
        yield Candidate(_record(name, group[0], config, is_base=True), None, config)
    for adapter in group:
        config = answer_config(adapter)
        for strength in strengths:
            name = adapter.name if strength == 1 else f"{adapter.name} x {strength:g}"
            record = _record(name, adapter, config, is_base=False, strength=strength)
            yield Candidate(record, adapter, config, strength)


def _record(
    name: str, adapter: Adapter, config: TrainingConfig, *, is_base: bool, strength: float = 1.0
) -> CandidateRecord:
    """Return the record; its key follows from all that decides the answers."""
    weights = None if is_base else adapter.stored.weights_hash
    decisive = [
        adapter.base,
        weights,
        None if is_base else (adapter.folder / PEFT_CONFIG).read_text(encoding="utf-8"),
        config.model.model_dump(mode="json"),
        config.quantization.model_dump(mode="json"),
        config.text_encoder.model_dump(mode="json"),
        config.data.instruction,
        config.training.bf16,
        config.training.fp16,
        *([strength] if strength != 1 else []),
    ]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    return CandidateRecord(
        key=digest[:16],
        name=name,
        adapter="" if is_base else str(adapter.folder),
        base=adapter.base,
        base_commit=adapter.base_commit,
        weights_sha256=weights,
        strength=strength,
    )


def _missing_rows(folder: ExamFolder, exam: Exam, candidate: Candidate) -> list[int]:
    answered = folder.answers(candidate.record.key)
    return [row.index for row in exam.rows if row.index not in answered]


def _answer_rows(
    loaded: LoadedAdapters,
    candidate: Candidate,
    opened: OpenedExam,
    folder: ExamFolder,
    *,
    batch_size: int | None,
    on_progress: Callable[[str], None],
) -> None:
    missing = _missing_rows(folder, opened.exam, candidate)
    name, total = candidate.record.name, len(opened.exam.rows)
    if not missing:
        return
    answered = total - len(missing)
    with (
        candidate.switched_on(loaded) as model,
        folder.append_answers(candidate.record.key) as writer,
    ):
        size = batch_size or candidate.config.training.per_device_train_batch_size
        rows = opened.dataset.conversation
        for answer in answer_rows(model, candidate.config, rows, missing, batch_size=size):
            writer.append(answer)
            answered += 1
            on_progress(f"{name}: {answered} of {total} rows")


def answer_rows(
    model: PeftModel | PreTrainedModel,
    config: TrainingConfig,
    conversation: Callable[[int], Conversation],
    indices: Sequence[int],
    *,
    batch_size: int,
) -> Iterator[ExamAnswer]:
    """Yield the answers of a model to rows of a dataset, similar lengths together.

    `conversation` reads a row. Pages are decoded a batch at a time.
    """
    collator = collator_of(config)
    builder = ExampleBuilder(config.data, collator.reads_images, config.text_encoder.enabled)
    limits = {
        index: answer_limit(collator, collator.render(builder.build(conversation(index))))
        for index in indices
    }
    order = sorted(indices, key=limits.__getitem__)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        chats = [collator.render(builder.build(conversation(i))) for i in batch]
        answers = generate_answers(
            model, collator, chats, max_new_tokens=[limits[index] for index in batch]
        )
        for index, answer in zip(batch, answers, strict=True):
            yield ExamAnswer(index, answer.text, answer.is_cut)
