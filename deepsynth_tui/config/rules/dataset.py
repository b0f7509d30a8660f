"""Rules between the fields of a dataset run."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping

from deepsynth_tui.config import instruction_template, unicode_scripts
from deepsynth_tui.config.dataset import DatasetConfig
from deepsynth_tui.config.rules.output import OUTPUT_RULES
from deepsynth_tui.config.rules.rule import Rule, is_file_name
from deepsynth_tui.config.source import SourceSettings

LICENSE = re.compile(r"\A[a-z0-9]+([.-][a-z0-9]+)*\Z")
LANGUAGE = re.compile(r"\A([a-z]{2,3}(-[A-Za-z0-9]+)*|multilingual|code)\Z")


def _names_without_weight(weights: Mapping[str, float]) -> str:
    return ", ".join(repr(name) for name, weight in weights.items() if weight <= 0)


def _template_error(instructions: Iterable[str]) -> str:
    for text in instructions:
        try:
            instruction_template.parse_template(text)
        except instruction_template.TemplateError as error:
            return str(error)
    return ""


def _column_of_whole_documents(config: DatasetConfig) -> str:
    """Return the setting that says that answers are about whole documents, "" if there is none."""
    if config.rows == "document":
        return ""
    return next(
        (
            f"source.{name}"
            for source in config.all_sources
            for name in ("question_column", "target_column")
            if getattr(source, name)
        ),
        "",
    )


def _first_value(c: DatasetConfig, field: str, is_wrong: Callable[[str], bool]) -> str:
    """Return the first value of `field` in the sources that is set and wrong, for a message."""
    values = (getattr(source, field) for source in c.all_sources)
    return next((repr(value) for value in values if value is not None and is_wrong(value)), "")


def _is_unknown_encoding(name: str) -> bool:
    try:
        # `codecs.lookup` also finds codecs such as hex, which do not decode text.
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):
        return True
    return False


def _is_no_delimiter(text: str) -> bool:
    return text != "\\t" and (len(text) != 1 or text in '"\r\n')


def _is_no_quote(text: str) -> bool:
    return len(text) > 1 or text in ("\r", "\n", " ")


DATASET_RULES = (
    Rule(
        ("name",),
        lambda c: not is_file_name(c.name),
        "a dataset needs a name without slashes",
        "letters, digits, dots and dashes work everywhere",
    ),
    Rule(
        ("source.path", "sources"),
        lambda c: not c.source.path and not c.sources,
        "no documents chosen",
        "a CSV, JSON or Parquet file, a folder of documents, a Hub id, or builtin:sample",
    ),
    Rule(
        ("source.encoding", "sources"),
        lambda c: _first_value(c, "encoding", _is_unknown_encoding),
        "there is no text encoding {}",
        "a codec of Python, such as utf-8, cp1252, latin-1, shift_jis, gb18030, utf-16",
    ),
    Rule(
        ("source.delimiter", "sources"),
        lambda c: _first_value(c, "delimiter", _is_no_delimiter),
        "a delimiter is one character and no quote, not {}",
        "such as , ; | or \\t for a tab",
    ),
    Rule(
        ("source.quotechar", "source.delimiter", "sources"),
        lambda c: _first_value(c, "quotechar", _is_no_quote),
        "a quote is one character, not {}",
        "such as ' or, in YAML, empty if fields are never quoted",
    ),
    Rule(
        ("source.quotechar", "source.delimiter", "sources"),
        lambda c: any(s.quotechar and s.quotechar == s.delimiter for s in c.all_sources),
        "is the delimiter too",
        "choose another character for one of them",
    ),
    Rule(
        ("sources", "source.path"),
        lambda c: c.sources and c.source != SourceSettings(),
        "source is set too, and a dataset uses one or the other",
        "move source into the list of sources, or remove sources",
    ),
    Rule(
        ("sources",),
        lambda c: next((n for n, source in enumerate(c.sources, 1) if not source.path), 0),
        "source {} has no path",
        "a file, a folder, a Hub id, or builtin:sample",
    ),
    Rule(
        ("instructions", "instruction"),
        lambda c: c.instructions and c.instruction is not None,
        "instruction is set too, and a dataset uses one or the other",
        "move instruction into instructions, with a weight",
    ),
    Rule(
        ("instructions",),
        lambda c: _names_without_weight(c.instructions),
        "a weight must be above 0; it is not for {}",
        "remove the entries you do not want",
    ),
    Rule(
        ("page.fonts",),
        lambda c: _names_without_weight(c.page.fonts or {}),
        "a weight must be above 0; it is not for {}",
        "remove the entries you do not want",
    ),
    *(
        Rule(
            (key,),
            is_broken,
            "unmatched or empty brace: {}",
            "write {column} for a column of the row, {{ and }} for braces",
        )
        for key, is_broken in (
            ("instruction", lambda c: _template_error([c.instruction or ""])),
            ("instructions", lambda c: _template_error(c.instructions)),
        )
    ),
    Rule(
        ("rows",),
        lambda c: (
            isinstance(c.rows, dict) and (set(c.rows) != {"characters"} or c.rows["characters"] < 1)
        ),
        "a part of a document is described by {characters: N}, with N at least 1",
        "such as {characters: 2000}",
    ),
    Rule(
        ("source.question_column", "instruction", "instructions", "sources"),
        lambda c: (
            any(source.question_column for source in c.all_sources)
            and (c.instruction is not None or c.instructions)
        ),
        "instruction is set too, and a question takes its place",
        "remove instruction; what all questions have in common goes into system_prompt",
    ),
    Rule(
        ("rows", "source.target_column", "source.question_column", "sources"),
        _column_of_whole_documents,
        "with {} the answer is about a whole document, which a row that is a page or a part of "
        "it does not show",
        "set rows to document, or leave the answers to the text itself",
    ),
    Rule(
        ("filter.min_characters", "filter.max_characters"),
        lambda c: (c.filter.min_characters or 0) > (c.filter.max_characters or math.inf),
        "is above filter.max_characters, so no document would be left",
        "lower it",
    ),
    Rule(
        ("filter.scripts",),
        lambda c: ", ".join(
            name for name in c.filter.scripts if not unicode_scripts.is_script(name)
        ),
        "Unicode has no script named {}",
        "such as Latin, Greek, Cyrillic, Arabic, Hebrew, Devanagari, Thai, Hangul, Hiragana, Han",
    ),
    Rule(
        ("page.width", "page.height"),
        lambda c: (c.page.width is None) != (c.page.height is None),
        "page.width and page.height go together",
        "set both, or neither to use page.preset",
    ),
    Rule(
        ("output.license",),
        lambda c: c.output.license is not None and not LICENSE.match(c.output.license),
        "is no license identifier of the Hub",
        "such as apache-2.0, mit, cc-by-4.0, cc0-1.0, odc-by, other or unknown",
    ),
    Rule(
        ("output.language",),
        lambda c: ", ".join(code for code in c.output.languages if not LANGUAGE.match(code)),
        "no language code: {}",
        "an ISO 639 code of two or three letters, such as en, de, zh or multilingual",
    ),
    Rule(
        ("output.hub_repo_id", "output.push_to_hub"),
        lambda c: c.output.push_to_hub and not c.output.hub_repo_id,
        "the upload needs a repository",
        "set it to owner/name",
    ),
    *OUTPUT_RULES,
)
