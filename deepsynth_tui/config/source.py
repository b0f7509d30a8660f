"""The declaration of the settings of a source of documents."""

from __future__ import annotations

from deepsynth_tui.config.setting import SectionInfo, Settings, setting


class SourceSettings(Settings):
    """The documents."""

    section = SectionInfo(title="Documents", preset_resets=False, in_preflight=True)

    path: str = setting(
        "",
        label="Documents",
        help="A folder of documents, a table (CSV, JSON, Parquet, tar), a pattern, a Hub id, or "
        "builtin:sample.",
        holds="path",
    )
    config: str | None = setting(
        None,
        label="Configuration",
        help="Configuration of a dataset: on the Hub, or in a folder with a dataset card.",
        advanced=True,
    )
    split: str = setting(
        "train",
        label="Split",
        help="Split of a dataset: on the Hub, or in a folder whose files are named by split.",
        advanced=True,
    )
    streaming: bool = setting(
        True,
        label="Stream",
        help="Read a Hub dataset while it downloads; off: download all of it into the cache first.",
        advanced=True,
        on_resume="free",
    )
    text_column: str | None = setting(
        None,
        label="Text column",
        help="Column with the text, or a path such as doc.text; none: the first of text, content, "
        "document, ...",
        holds="column",
    )
    target_column: str | None = setting(
        None,
        label="Target column",
        help="Column with the answer to learn, or a path such as answers.0; none: the text itself "
        "(transcription).",
        holds="column",
    )
    question_column: str | None = setting(
        None,
        label="Question column",
        help="Column with the question that goes with the answer in target_column; or with "
        "several, as a list beside a list of answers, or as a list of records {question, answer}. "
        "Each becomes a turn of the conversation. Questions are not drawn.",
        holds="column",
        advanced=True,
    )
    max_samples: int | None = setting(
        None,
        label="Max documents",
        help="Read at most this many documents.",
        unit="documents",
        ge=1,
    )
    encoding: str | None = setting(
        None,
        label="Encoding",
        help="Encoding of text, CSV and JSON files, such as cp1252 or shift_jis, and of HTML that "
        "declares none; none: UTF-8, or UTF-16 after a byte order mark.",
        advanced=True,
    )
    delimiter: str | None = setting(
        None,
        label="CSV delimiter",
        help="Character between the fields of a CSV file, \\t for a tab; none: the one of , ; tab "
        "and | that divides the first rows evenly.",
        advanced=True,
    )
    quotechar: str | None = setting(
        None,
        label="CSV quote",
        help="Character around fields of a CSV file; empty in YAML: fields are never quoted; "
        'none: ".',
        advanced=True,
    )
    header: bool | None = setting(
        None,
        label="CSV header",
        help="Whether the first row of a CSV file names the columns; without a header they are "
        "column_1, column_2, ...; none: guess from the first rows.",
        advanced=True,
    )
    max_document_seconds: float = setting(
        60.0,
        label="Max seconds per document",
        help="Leave out a document of a folder that takes more processor time to read; see "
        "flaws.bad_rows.",
        unit="seconds",
        gt=0,
        advanced=True,
        on_resume="free",
    )
    max_document_memory: float = setting(
        2.0,
        label="Max memory per document",
        help="Leave out a document of a folder that takes more memory to read; see flaws.bad_rows.",
        unit="GiB",
        gt=0,
        advanced=True,
        on_resume="free",
    )


class MixedSource(SourceSettings):
    """One of several sources, with its weight in the mixture."""

    weight: float = setting(
        1.0,
        label="Weight",
        help="Share of documents from this source, relative to the other weights.",
        gt=0,
    )
