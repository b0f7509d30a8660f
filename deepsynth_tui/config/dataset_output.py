"""The declaration of the settings of a dataset's files: place, size, card and upload."""

from __future__ import annotations

from deepsynth_tui.config.export_formats import ExportFormatName
from deepsynth_tui.config.setting import SectionInfo, Settings, setting


class DatasetOutputSettings(Settings):
    """Where the dataset is written."""

    section = SectionInfo(summary="{dir}", preset_resets=False, in_preflight=True)

    dir: str | None = setting(
        None,
        label="Run folder",
        help="Folder of the run; none: a new folder among the runs of this machine.",
        placeholder="a new folder among the runs",
        holds="path",
        on_resume="free",
    )
    eval_fraction: float = setting(
        0.0,
        label="Test fraction",
        help="Fraction of the documents that goes into the split test, chosen by a hash of their "
        "content.",
        suggested=(0.0, 0.02, 0.05, 0.1, 0.2),
        ge=0.0,
        lt=1.0,
    )
    shard_size: int = setting(
        500,
        label="Shard size",
        help="Documents per Parquet file. One process writes one file at a time, and loses at "
        "most that file if it is killed.",
        unit="documents",
        ge=1,
        advanced=True,
    )
    license: str | None = setting(
        None,
        label="License",
        help="License of the dataset, for its card, as the Hub names it, such as cc-by-4.0; none: "
        "the card names no license.",
        placeholder="not stated",
        advanced=True,
        on_resume="free",
    )
    language: list[str] | str = setting(
        [],
        label="Languages",
        help="Languages of the documents, for the card, as ISO 639 codes such as en; none: the "
        "card names no language.",
        placeholder="not stated",
        advanced=True,
        on_resume="free",
    )
    formats: list[ExportFormatName] = setting(
        [],
        label="Export formats",
        help="Formats of other projects in which the dataset is written as well, each into a "
        "folder beside it, such as dataset-llamafactory.",
        advanced=True,
        on_resume="free",
    )
    push_to_hub: bool = setting(
        False,
        label="Push to Hub",
        help="Upload the dataset to the Hub at the end.",
        on_resume="free",
    )
    hub_repo_id: str | None = setting(
        None,
        label="Hub repository",
        help="Repository to upload to, as owner/name.",
        advanced=True,
        on_resume="free",
    )
    hub_private: bool = setting(
        True,
        label="Private repository",
        help="Make the repository private.",
        advanced=True,
        on_resume="free",
    )

    @property
    def languages(self) -> list[str]:
        """The language codes, whether one or several."""
        return [self.language] if isinstance(self.language, str) else self.language
