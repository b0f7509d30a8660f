"""The declaration of the datasets of a training run: where they are, and which columns are read."""

from __future__ import annotations

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
        advanced=True,
    )
    question_column: str | None = setting(
        None,
        label="Question column",
        help="Column with the question about the images.",
        placeholder="guessed: question, query, prompt, ...",
        advanced=True,
    )
    target_column: str | None = setting(
        None,
        label="Target column",
        help="Column with the answer to learn. In a dataset with messages it replaces the last "
        "answer.",
        placeholder="guessed: messages, answer, response, ...",
        advanced=True,
    )
    messages_column: str | None = setting(
        None,
        label="Messages column",
        help="Column with the turns of a conversation.",
        placeholder="guessed: messages, conversations, ...",
        advanced=True,
    )
    system_column: str | None = setting(
        None,
        label="System column",
        help="Column with the system prompt.",
        placeholder="guessed: system, system_prompt",
        advanced=True,
    )
    image_folder: str | None = setting(
        None,
        label="Image folder",
        help="Folder that image paths are relative to.",
        placeholder="the folder of the file with the paths",
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
