"""The declaration of every setting of a dataset run."""

from __future__ import annotations

from typing import Literal

from deepsynth_tui.config.dataset_output import DatasetOutputSettings
from deepsynth_tui.config.setting import SectionInfo, Settings, setting
from deepsynth_tui.config.source import MixedSource, SourceSettings


class FilterSettings(Settings):
    """Which documents to keep; the others are dropped and counted. For duplicates, see
    `flaws.duplicates`."""

    section = SectionInfo(in_preflight=True)

    min_characters: int | None = setting(
        None, label="Min characters", help="Drop shorter documents.", unit="characters", ge=1
    )
    max_characters: int | None = setting(
        None, label="Max characters", help="Drop longer documents.", unit="characters", ge=1
    )
    scripts: list[str] = setting(
        [],
        label="Scripts",
        help="Unicode scripts to keep, such as Latin, Cyrillic, Han; none: every script.",
    )
    script_share: float = setting(
        0.8,
        label="Min script share",
        help="Fraction of a document's letters that must be in these scripts.",
        suggested=(0.5, 0.8, 0.9, 0.95, 1.0),
        gt=0.0,
        le=1.0,
    )


class PageSettings(Settings):
    """How a document becomes page images."""

    section = SectionInfo(in_preflight=True)

    preset: Literal["tiny", "small", "base", "large", "a4"] = setting(
        "base",
        label="Page size",
        help="Page size: tiny 512, small 640, base 1024, large 1280 square, or a4.",
    )
    width: int | None = setting(
        None,
        label="Width",
        help="Page width in place of the preset's.",
        unit="pixels",
        ge=64,
        le=8192,
        advanced=True,
    )
    height: int | None = setting(
        None,
        label="Height",
        help="Page height in place of the preset's.",
        unit="pixels",
        ge=64,
        le=8192,
        advanced=True,
    )
    font: str = setting("DejaVu Sans", label="Font", help="Font: a name or a .ttf/.otf file.")
    fonts: dict[str, float] | None = setting(
        None,
        label="Weighted fonts",
        help="Several fonts in place of one, each with a weight: every document uses one of them.",
        advanced=True,
    )
    fallback_fonts: list[str] | None = setting(
        None,
        label="Fallback fonts",
        help="Fonts for characters that the main font lacks, in order; none: the Noto fonts of "
        "this machine.",
        advanced=True,
    )
    font_size: int | None = setting(
        None,
        label="Font size",
        help="Font size; none: the largest up to max_font_size at which a document fits on one "
        "page, with an x-height of at least 8 pixels.",
        unit="pixels",
        suggested=(12, 14, 16, 18, 20, 24, 28, 32),
        ge=6,
        le=200,
    )
    max_font_size: int = setting(
        20,
        label="Max font size",
        help="Largest font size if font_size is not set.",
        unit="pixels",
        suggested=(16, 20, 24, 28, 32, 40),
        ge=6,
        le=200,
        advanced=True,
    )
    margin: int = setting(
        48,
        label="Margin",
        help="Empty border.",
        unit="pixels",
        suggested=(16, 24, 32, 48, 64),
        ge=8,
        le=1024,
    )
    line_spacing: float = setting(
        1.3,
        label="Line spacing",
        help="Distance between lines as a multiple of the font size.",
        suggested=(1.0, 1.2, 1.3, 1.4, 1.6),
        ge=1.0,
        le=4.0,
    )
    columns: int = setting(
        1,
        label="Columns",
        help="Columns of text on a page.",
        suggested=(1, 2, 3),
        ge=1,
        le=4,
    )
    align: Literal["start", "center", "end", "justify"] = setting(
        "start",
        label="Alignment",
        help="Alignment of lines; start is the right edge for right-to-left text.",
    )
    theme: Literal["light", "dark", "sepia"] = setting(
        "light", label="Theme", help="Colours of text and paper."
    )
    ink: str | None = setting(
        None,
        label="Text colour",
        help="Colour of the text in place of the theme's, such as #102040.",
        advanced=True,
    )
    paper: str | None = setting(
        None,
        label="Paper colour",
        help="Colour of the paper in place of the theme's.",
        advanced=True,
    )
    boxes: Literal["none", "lines", "words"] = setting(
        "none",
        label="Boxes",
        help="Store the text lines of each page, or also its words, with their boxes in pixels "
        "and in reading order.",
        advanced=True,
    )


class DegradeSettings(Settings):
    """Defects of scans and copies on the pages, for models that must cope with them."""

    section = SectionInfo(in_preflight=True)

    share: float = setting(
        0.0,
        label="Share of documents",
        help="Fraction of the documents that get defects, each with a strength between none and "
        "its setting.",
        suggested=(0.0, 0.25, 0.5, 1.0),
        ge=0.0,
        le=1.0,
    )
    rotation: float = setting(
        1.0,
        label="Max rotation",
        help="Maximum rotation, limited so that no text leaves the page.",
        unit="degrees",
        ge=0.0,
        le=20.0,
        advanced=True,
    )
    blur: float = setting(
        1.0,
        label="Max blur",
        help="Maximum radius of the blur.",
        unit="pixels",
        ge=0.0,
        le=10.0,
        advanced=True,
    )
    noise: float = setting(
        12.0,
        label="Max noise",
        help="Maximum standard deviation of the noise, on a scale to 255.",
        ge=0.0,
        le=128.0,
        advanced=True,
    )
    jpeg_quality: int | None = setting(
        60,
        label="Min JPEG quality",
        help="Lowest JPEG quality, the highest being 95; none: lossless PNG files, about nine "
        "times as large as clean pages.",
        ge=5,
        le=95,
        advanced=True,
    )
    max_size: float | None = setting(
        3.0,
        label="Max size",
        help="Bytes of a page with defects as a multiple of those of the clean page; the JPEG "
        "quality is lowered, if need be below jpeg_quality, until it fits. none: no limit.",
        suggested=(2.0, 3.0, 5.0),
        ge=1.0,
        advanced=True,
    )


Policy = Literal["stop", "drop", "keep"]
NormalForm = Literal["NFC", "whitespace", "invisible"]


class FlawSettings(Settings):
    """What happens to documents with a flaw; all are counted. A stopped run can be resumed."""

    section = SectionInfo(resume_from="stop")

    missing_glyphs: Policy = setting(
        "stop",
        label="Missing glyphs",
        help="Characters that no font has: stop with the document's id, drop the document, or "
        "draw boxes.",
    )
    clipped_glyphs: Policy = setting(
        "stop",
        label="Clipped glyphs",
        help="Glyphs cut off at the edge of the page: stop with the document's id, drop the "
        "document, or keep it.",
    )
    split_tokens: Policy = setting(
        "keep",
        label="Split words",
        help="Words longer than a line, which break anywhere: stop, drop the document, or keep it.",
    )
    removed_characters: Policy = setting(
        "keep",
        label="Removed characters",
        help="Control characters that are removed and invalid ones that are replaced: stop, drop "
        "the document, or keep it.",
    )
    unreadable_characters: Policy = setting(
        "keep",
        label="Unreadable characters",
        help="Characters of the answer that nobody can read on a page, such as soft hyphens, bidi "
        "marks and no-break spaces; normalize removes them: stop, drop the document, or keep it.",
    )
    duplicates: Policy = setting(
        "keep",
        label="Duplicates",
        help="The same text with the same answer again: stop, drop the document, or keep it.",
    )
    bad_rows: Literal["stop", "skip"] = setting(
        "skip",
        label="Bad rows",
        help="Files and rows that cannot be read: damaged, encrypted, in another encoding, "
        "malformed, or without text: stop with the first of them, or skip and list them (at most "
        "half of the rows of a table).",
        in_preflight=True,
    )
    empty: Literal["stop", "drop"] = setting(
        "drop",
        label="Empty documents",
        help="No text, or no answer: stop with the document's id, or drop the document.",
    )


class DatasetConfig(Settings):
    """A dataset run."""

    kind: Literal["dataset"] = "dataset"
    name: str = setting(
        "my-dataset", label="Name", help="Name of the dataset, shown in lists.", on_resume="free"
    )
    source: SourceSettings = SourceSettings()
    sources: list[MixedSource] = setting(
        [],
        label="Sources",
        help="Several sources in place of source, each with the same keys and a weight.",
        yaml_only=True,
        in_preflight=True,
    )
    instruction: str | None = setting(
        None,
        label="Instruction",
        help="Instruction for each document; {column} stands for the value of that column in the "
        "row, {{ for {.",
        holds="lines",
        in_preflight=True,
    )
    instructions: dict[str, float] = setting(
        {},
        label="Weighted instructions",
        help="Several instructions in place of one, each with a weight.",
        yaml_only=True,
        in_preflight=True,
    )
    instruction_in: Literal["page", "message"] = setting(
        "page",
        label="Instruction goes into",
        help="Draw the instruction above the document, or only put it into the message: then "
        "only the conversation and a text encoder contain it.",
        in_preflight=True,
    )
    system_prompt: str | None = setting(
        None,
        label="System prompt",
        help="Text of a system turn at the start of each conversation.",
        holds="lines",
        advanced=True,
    )
    rows: Literal["document", "page"] | dict[str, int] = setting(
        "document",
        label="Rows",
        help="What a row holds: a whole document, a page with the text on it, or a part of a "
        "document that is drawn on pages of its own: {characters: 2000} for paragraphs of "
        "together at most 2000 characters (characters=2000 in a form).",
        in_preflight=True,
    )
    filter: FilterSettings = FilterSettings()
    page: PageSettings = PageSettings()
    degrade: DegradeSettings = DegradeSettings()
    on_overflow: Literal["paginate", "error"] = setting(
        "paginate",
        label="Long documents",
        help="A document longer than a page: use more pages, or stop with its id.",
        resume_from="error",
    )
    flaws: FlawSettings = FlawSettings()
    control_characters: Literal["remove", "show"] = setting(
        "remove",
        label="Control characters",
        help="Remove control characters (flaws.removed_characters), or draw them as <U+0007>.",
        advanced=True,
        in_preflight=True,
    )
    normalize: list[NormalForm] = setting(
        [],
        label="Normalize",
        help="NFC: compose letters and accents. whitespace: plain spaces and line feeds. "
        "invisible: remove soft hyphens, zero-width characters and bidi marks that no letter or "
        "emoji needs. Of what is drawn and of the answers alike.",
        advanced=True,
        in_preflight=True,
    )
    seed: int = setting(
        0,
        label="Seed",
        help="Seed for everything random: the mixture, instructions, fonts and page defects.",
        ge=0,
        in_preflight=True,
    )
    num_proc: int = setting(
        1,
        label="Workers",
        help="Processes that draw pages.",
        unit="processes",
        suggested=(1, 2, 4, 8, 16),
        ge=1,
        on_resume="free",
    )
    engine: Literal["local", "ray"] = setting(
        "local",
        label="Worker backend",
        help="Processes on this machine, or Ray: all CPUs of a running cluster, or else a new "
        "local one with num_proc CPUs.",
        advanced=True,
        on_resume="free",
    )
    output: DatasetOutputSettings = DatasetOutputSettings()

    @property
    def row_characters(self) -> int | None:
        """Most characters of a row, or None if rows are documents or pages."""
        return self.rows["characters"] if isinstance(self.rows, dict) else None

    @property
    def all_sources(self) -> tuple[SourceSettings, ...]:
        """The sources, whether one or several."""
        return tuple(self.sources) or (self.source,)

    @property
    def source_paths(self) -> str:
        """The paths of all sources, for a sentence."""
        return ", ".join(source.path for source in self.all_sources)
