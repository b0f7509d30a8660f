"""The declaration of the datasets of a training run: where they are, and which columns are read."""

from __future__ import annotations

from typing import Literal

from deepsynth_tui.config.setting import SectionInfo, Settings, setting

FORMER_DEFAULTS = {"image_column": "images", "target_column": "target"}
"""Values that older configurations have where nobody chose a column. Guessing chooses the same."""


class RowSettings(Settings):
    """A dataset, and its columns."""

    section = SectionInfo(preset_resets=False, in_preflight=True)

    path: str = setting(
        "",
        label="Dataset",
        help="A run of `generate`, a folder, file or glob of Parquet, JSON, CSV, tar or images, or "
        "a Hub id.",
        holds="path",
    )
    config: str | None = setting(
        None,
        label="Configuration",
        help="Configuration of a dataset card, or entry of LLaMA-Factory's dataset_info.json.",
        advanced=True,
    )
    split: str = setting(
        "train", label="Split", help="Split of the dataset to train on.", advanced=True
    )
    image_column: str | None = setting(
        None,
        label="Image column",
        help="Column with the images: bytes, paths or data URLs, one or a list.",
        placeholder="guessed: images, image, pages, ...",
        holds="column",
        advanced=True,
    )
    question_column: str | None = setting(
        None,
        label="Question column",
        help="Column with the question about the images.",
        placeholder="guessed: question, query, prompt, ...",
        holds="column",
        advanced=True,
    )
    target_column: str | None = setting(
        None,
        label="Target column",
        help="Column with the answer to learn. In a dataset with messages it replaces the last "
        "answer.",
        placeholder="guessed: messages, answer, response, ...",
        holds="column",
        advanced=True,
    )
    messages_column: str | None = setting(
        None,
        label="Messages column",
        help="Column with the turns of a conversation.",
        placeholder="guessed: messages, conversations, ...",
        holds="column",
        advanced=True,
    )
    system_column: str | None = setting(
        None,
        label="System column",
        help="Column with the system prompt.",
        placeholder="guessed: system, system_prompt",
        holds="column",
        advanced=True,
    )
    image_folder: str | None = setting(
        None,
        label="Image folder",
        help="Folder that image paths are relative to.",
        placeholder="the folder of the file with the paths",
        holds="path",
        advanced=True,
    )


class MixedDataset(RowSettings):
    """One of several datasets, with its weight in the mixture."""

    weight: float | None = setting(
        None,
        label="Weight",
        help="Share of the rows of an epoch that come from this dataset, relative to the other "
        "weights. Without weights all rows of all datasets are taken.",
        gt=0.0,
    )


class DataSettings(RowSettings):
    """The dataset, and which part of it is held out."""

    eval_fraction: float = setting(
        0.0,
        label="Eval fraction",
        help="Fraction of the rows held out for evaluation.",
        suggested=(0.0, 0.05, 0.1, 0.2),
        ge=0.0,
        lt=1.0,
    )
    split_seed: int = setting(
        42,
        label="Split seed",
        help="Seed for choosing the rows that are held out.",
        ge=0,
        advanced=True,
    )
    eval_path: str | None = setting(
        None,
        label="Eval dataset",
        help="A dataset to evaluate on, in place of rows held out of the one to train on. Columns "
        "are read as those of the training data.",
        placeholder="rows of the dataset itself",
        holds="path",
        advanced=True,
    )
    eval_split: str | None = setting(
        None,
        label="Eval split",
        help="Split to evaluate on, of eval_path or else of the dataset itself; none: validation, "
        "test, or the only split of eval_path.",
        advanced=True,
    )
    stopping_strategy: Literal["first_exhausted", "all_exhausted"] = setting(
        "first_exhausted",
        label="Mixing",
        help="With weights of several datasets: an epoch ends when the first one has no new row, "
        "or when each row was taken, and rows of the others repeat.",
        advanced=True,
    )
    instruction: str | None = setting(
        None,
        label="Instruction",
        help="Instruction in place of the last question of every row. A row of which several "
        "answers are learned is refused.",
        holds="lines",
    )
    learn_turns: Literal["all", "last"] = setting(
        "all",
        label="Learned answers",
        help="Answers of a conversation to learn: all of them, or the last one, with the others as "
        "context. Answers that the dataset marks as not learned never are.",
        advanced=True,
        in_older_runs="last",
    )
    max_length: int = setting(
        2048,
        label="Max length",
        help="Longest row, image and soft tokens included. on_too_long says what happens to "
        "longer ones.",
        unit="tokens",
        suggested=(512, 1024, 2048, 4096, 8192),
        ge=16,
        on_resume="free",
        selects_rows=True,
    )
    on_too_long: Literal["error", "drop", "shorten"] = setting(
        "error",
        label="Too-long rows",
        help="Rows longer than max_length: refuse to start, drop them (at most half of all rows), "
        "or truncate their text.",
        advanced=True,
    )
    bad_rows: Literal["stop", "skip"] = setting(
        "stop",
        label="Bad rows",
        help="Rows that cannot be used, such as one with a damaged image or an empty answer: "
        "refuse to start, or leave them out (at most half of all rows).",
        advanced=True,
    )
    max_train_samples: int | None = setting(
        None,
        label="Max training rows",
        help="Train on at most this many rows.",
        unit="rows",
        ge=1,
        advanced=True,
    )
    max_eval_samples: int | None = setting(
        None,
        label="Max eval rows",
        help="Evaluate on at most this many rows.",
        unit="rows",
        ge=1,
        advanced=True,
    )

    @property
    def evaluates(self) -> bool:
        """Whether there are rows to evaluate on."""
        return bool(self.eval_fraction or self.eval_path or self.eval_split)
