"""Rules between the fields of a dataset run."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping

from deepsynth_tui.config import instruction_template, unicode_scripts
from deepsynth_tui.config.dataset import DatasetConfig, SourceSettings
from deepsynth_tui.config.rules.rule import Rule, is_file_name


def _names_without_weight(weights: Mapping[str, float]) -> str:
    return ", ".join(repr(name) for name, weight in weights.items() if weight <= 0)


def _template_error(instructions: Iterable[str]) -> str:
    for text in instructions:
        try:
            instruction_template.parse_template(text)
        except instruction_template.TemplateError as error:
            return str(error)
    return ""


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
        ("output.hub_repo_id", "output.push_to_hub"),
        lambda c: c.output.push_to_hub and not c.output.hub_repo_id,
        "the upload needs a repository",
        "set it to owner/name",
    ),
)
