"""The declaration of everything a dataset run can be told."""

from __future__ import annotations

from typing import Literal

from deepsynth_tui.config.fields import Settings, setting


class SourceSettings(Settings):
    """The documents."""

    path: str = setting(
        "",
        help="Documents: a CSV, JSONL or Parquet file, a folder of .txt, .md, .html or .pdf, "
        "a Hub id, or builtin:sample.",
    )
    config: str | None = setting(None, help="Configuration of a Hub dataset.", advanced=True)
    split: str = setting("train", help="Split of a Hub dataset.", advanced=True)
    streaming: bool = setting(
        True,
        help="Read a Hub dataset as it arrives; off: load all of it into the local cache first.",
        advanced=True,
    )
    text_column: str | None = setting(
        None, help="Column with the text; none: the first of text, content, document, ..."
    )
    target_column: str | None = setting(
        None, help="Column with the answer to learn; none: the text itself (transcription)."
    )
    max_samples: int | None = setting(None, help="Read this many at most.", unit="documents", ge=1)


class MixedSource(SourceSettings):
    """One of several sources, with its share of the mixture."""

    weight: float = setting(
        1.0, help="Documents taken from here, in proportion to the other weights.", gt=0
    )


class FilterSettings(Settings):
    """Which documents are wanted; the others are left out and counted. Of duplicates,
    `flaws.duplicates` says what becomes."""

    min_characters: int | None = setting(
        None, help="Leave out documents that are shorter.", unit="characters", ge=1
    )
    max_characters: int | None = setting(
        None, help="Leave out documents that are longer.", unit="characters", ge=1
    )
    scripts: list[str] = setting(
        [], help="Unicode scripts to keep, such as Latin, Cyrillic, Han; none: every script."
    )
    script_share: float = setting(
        0.8,
        help="Part of a document's letters that must be of these scripts.",
        suggested=(0.5, 0.8, 0.9, 0.95, 1.0),
        gt=0.0,
        le=1.0,
    )


class PageSettings(Settings):
    """How a document becomes page images."""

    preset: Literal["tiny", "small", "base", "large", "a4"] = setting(
        "base", help="Page size: tiny 512, small 640, base 1024, large 1280 square, or a4."
    )
    width: int | None = setting(
        None,
        help="Page width instead of the preset's.",
        unit="pixels",
        ge=64,
        le=8192,
        advanced=True,
    )
    height: int | None = setting(
        None,
        help="Page height instead of the preset's.",
        unit="pixels",
        ge=64,
        le=8192,
        advanced=True,
    )
    font: str = setting("DejaVu Sans", help="Font: a name or a .ttf/.otf file.")
    fonts: dict[str, float] | None = setting(
        None,
        help="Several fonts instead of one, each with a weight: every document has one of them.",
        advanced=True,
    )
    fallback_fonts: list[str] | None = setting(
        None,
        help="Fonts for what the first one lacks, in order; none: the Noto fonts of this machine.",
        advanced=True,
    )
    font_size: int | None = setting(
        None,
        help="Text size; none: the largest up to max_font_size at which a document fits one "
        "page, never under an x-height of 8 pixels.",
        unit="pixels",
        suggested=(12, 14, 16, 18, 20, 24, 28, 32),
        ge=6,
        le=200,
    )
    max_font_size: int = setting(
        20,
        help="Largest text where font_size is left to the document.",
        unit="pixels",
        suggested=(16, 20, 24, 28, 32, 40),
        ge=6,
        le=200,
        advanced=True,
    )
    margin: int = setting(
        48, help="Empty border.", unit="pixels", suggested=(16, 24, 32, 48, 64), ge=8, le=1024
    )
    line_spacing: float = setting(
        1.3,
        help="Distance of two lines as a multiple of the text size.",
        suggested=(1.0, 1.2, 1.3, 1.4, 1.6),
        ge=1.0,
        le=4.0,
    )
    columns: int = setting(1, help="Columns of text on a page.", suggested=(1, 2, 3), ge=1, le=4)
    align: Literal["start", "center", "end", "justify"] = setting(
        "start", help="Where lines stand; start is the right edge for right-to-left text."
    )
    theme: Literal["light", "dark", "sepia"] = setting("light", help="Ink and paper.")
    ink: str | None = setting(
        None, help="Colour of the text instead of the theme's, such as #102040.", advanced=True
    )
    paper: str | None = setting(
        None, help="Colour of the paper instead of the theme's.", advanced=True
    )


class DegradeSettings(Settings):
    """Flaws of scans and copies on the pages, for models that must bear them."""

    share: float = setting(
        0.0,
        help="Part of the documents that get flaws; each flaw is between none and its setting.",
        suggested=(0.0, 0.25, 0.5, 1.0),
        ge=0.0,
        le=1.0,
    )
    rotation: float = setting(
        1.0,
        help="Turned by up to this, as far as no text leaves the page.",
        unit="degrees",
        ge=0.0,
        le=20.0,
        advanced=True,
    )
    blur: float = setting(
        1.0, help="Radius of the blur.", unit="pixels", ge=0.0, le=10.0, advanced=True
    )
    noise: float = setting(
        12.0, help="Standard deviation of speckles, of 255.", ge=0.0, le=128.0, advanced=True
    )
    jpeg_quality: int | None = setting(
        60, help="Lowest JPEG quality; none: no JPEG.", ge=5, le=95, advanced=True
    )


Policy = Literal["stop", "drop", "keep"]


class FlawSettings(Settings):
    """What happens to documents with a flaw; all are counted. A stopped run can go on."""

    missing_glyphs: Policy = setting(
        "stop", help="Characters that no font has: stop with the id, leave out, or draw boxes."
    )
    clipped_glyphs: Policy = setting(
        "stop", help="Glyphs cut at the edge of the page: stop with the id, leave out, or keep."
    )
    split_tokens: Policy = setting(
        "keep", help="Words longer than a line, broken anywhere: stop, leave out, or keep."
    )
    removed_characters: Policy = setting(
        "keep", help="Control characters taken out, broken ones replaced: stop, leave out, or keep."
    )
    duplicates: Policy = setting(
        "keep", help="The same text with the same answer again: stop, leave out, or keep."
    )
    empty: Literal["stop", "drop"] = setting(
        "drop", help="No text, or no answer: stop with the id, or leave out."
    )


class DatasetOutputSettings(Settings):
    """Where the dataset goes."""

    dir: str | None = setting(
        None, help="Folder of the run; none: a new one among the runs of this machine."
    )
    eval_fraction: float = setting(
        0.0,
        help="Part of the documents that goes into the split test, chosen by their content.",
        suggested=(0.0, 0.02, 0.05, 0.1, 0.2),
        ge=0.0,
        lt=1.0,
    )
    shard_size: int = setting(
        500,
        help="Documents per Parquet file, which one process makes: what a kill can cost each.",
        unit="documents",
        ge=1,
        advanced=True,
    )
    push_to_hub: bool = setting(False, help="Upload the dataset to the Hub at the end.")
    hub_repo_id: str | None = setting(
        None, help="Repository of that upload, as owner/name.", advanced=True
    )
    hub_private: bool = setting(True, help="Make that repository private.", advanced=True)


class DatasetConfig(Settings):
    """A dataset run."""

    kind: Literal["dataset"] = "dataset"
    name: str = setting("my-dataset", help="Name of the dataset, shown in lists.")
    source: SourceSettings = SourceSettings()
    sources: list[MixedSource] = setting(
        [],
        help="Several sources instead of source: each with its keys and a weight.",
        yaml_only=True,
    )
    instruction: str | None = setting(
        None,
        help="What is asked of each document; {column} stands for its value in the row, {{ for {.",
    )
    instructions: dict[str, float] = setting(
        {},
        help="Several instructions instead of one, each with its weight.",
        yaml_only=True,
    )
    instruction_in: Literal["page", "message"] = setting(
        "page",
        help="Draw the instruction above the document, or keep it out of the picture: then only "
        "the conversation and a text encoder have it.",
    )
    filter: FilterSettings = FilterSettings()
    page: PageSettings = PageSettings()
    degrade: DegradeSettings = DegradeSettings()
    on_overflow: Literal["paginate", "error"] = setting(
        "paginate", help="A document longer than a page: take more pages, or stop with its id."
    )
    flaws: FlawSettings = FlawSettings()
    control_characters: Literal["remove", "show"] = setting(
        "remove",
        help="Take control characters out (flaws.removed_characters), or draw them as <U+0007>.",
        advanced=True,
    )
    seed: int = setting(
        0,
        help="Decides what is left to chance: the mixture, instructions, fonts, page flaws.",
        ge=0,
    )
    num_proc: int = setting(
        1, help="Processes that draw pages.", unit="processes", suggested=(1, 2, 4, 8, 16), ge=1
    )
    engine: Literal["local", "ray"] = setting(
        "local",
        help="Processes of this machine, or Ray: the cluster that is there, with all its CPUs, "
        "or else one of num_proc CPUs here.",
        advanced=True,
    )
    output: DatasetOutputSettings = DatasetOutputSettings()

    @property
    def all_sources(self) -> tuple[SourceSettings, ...]:
        """The sources, be it one or several."""
        return tuple(self.sources) or (self.source,)

    @property
    def place(self) -> str:
        """Where the documents come from, for a sentence."""
        return ", ".join(one.path for one in self.all_sources)
