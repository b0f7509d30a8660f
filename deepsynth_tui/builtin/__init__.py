"""What comes with the program: a small model, and documents to try it on.

All are ordinary things on disk, a checkpoint folder and JSONL files, and are read by the same
code as any other model or file. `locate` turns their names into paths; nothing else knows them.
"""

from __future__ import annotations

from pathlib import Path

PREFIX = "builtin:"
TINY_VLM = f"{PREFIX}tiny-vlm"
SAMPLE = f"{PREFIX}sample"
PAPERS = f"{PREFIX}papers"
DOCUMENTS = {SAMPLE: "sample.jsonl", PAPERS: "papers.jsonl"}  # files in this folder


class UnknownBuiltin(ValueError):
    """A `builtin:` name that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}: no such builtin; there are {TINY_VLM}, {' and '.join(DOCUMENTS)}"
        )


def locate(name: str) -> str:
    """Return the path behind a `builtin:` name; any other name comes back unchanged.

    The model is made on first use (a second or two, and it imports torch).

    Raises:
        UnknownBuiltin: the name begins with `builtin:` and is none of them.
        OSError: the cache folder cannot be written.
    """
    if not name.startswith(PREFIX):
        return name
    if name in DOCUMENTS:
        return str(Path(__file__).parent / DOCUMENTS[name])
    if name == TINY_VLM:
        from deepsynth_tui.builtin.tiny_vlm import checkpoint

        return str(checkpoint())
    raise UnknownBuiltin(name)
