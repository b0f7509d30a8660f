"""What comes with the program: small models, and documents to try them on.

All are ordinary things on disk, checkpoint folders and JSONL files, and are read by the same
code as any other model or file. `locate` turns their names into paths; nothing else knows them.
"""

from __future__ import annotations

from pathlib import Path

PREFIX = "builtin:"
TINY_VLM = f"{PREFIX}tiny-vlm"
"""Reads small printed pages: `recipe` says how it was made, the card in its folder how well."""
TINY_QWEN3 = f"{PREFIX}tiny-qwen3"
TINY_BERT = f"{PREFIX}tiny-bert"
SAMPLE = f"{PREFIX}sample"
PAPERS = f"{PREFIX}papers"
DOCUMENTS = (SAMPLE, PAPERS)
# What is in this folder.
SHIPPED = {TINY_VLM: "tiny-vlm", SAMPLE: "sample.jsonl", PAPERS: "papers.jsonl"}
ENCODERS = (TINY_QWEN3, TINY_BERT)
NAMES = (TINY_VLM, *ENCODERS, *DOCUMENTS)


class UnknownBuiltin(ValueError):
    """A `builtin:` name that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: no such builtin; there are {', '.join(NAMES)}")


def locate(name: str) -> str:
    """Return the path behind a `builtin:` name; any other name comes back unchanged.

    An encoder is made on first use (a second or two, and it imports torch).

    Raises:
        UnknownBuiltin: the name begins with `builtin:` and is none of `NAMES`.
        OSError: the cache folder cannot be written.
    """
    if not name.startswith(PREFIX):
        return name
    if name in SHIPPED:
        return str(Path(__file__).parent / SHIPPED[name])
    if name == TINY_BERT:
        from deepsynth_tui.builtin import tiny_bert

        return str(tiny_bert.checkpoint())
    if name == TINY_QWEN3:
        from deepsynth_tui.builtin import tiny_qwen3

        return str(tiny_qwen3.checkpoint())
    raise UnknownBuiltin(name)
