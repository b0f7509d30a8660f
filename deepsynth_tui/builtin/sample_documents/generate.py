"""The content of `papers.jsonl`: equal numbers of each kind of document, in random order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from deepsynth_tui.builtin.sample_documents.templates import TEMPLATES, SampleDocument

FILE = Path(__file__).parent.parent / "papers.jsonl"
SEED = 20_261_126
COUNT = 480


def sample_documents(seed: int = SEED, count: int = COUNT) -> Iterator[SampleDocument]:
    """Yield `count` documents with different texts."""
    rng = random.Random(seed)
    per_template = -(-count // len(TEMPLATES))
    templates = [template for template in TEMPLATES for _ in range(per_template)][:count]
    rng.shuffle(templates)
    texts: set[str] = set()
    for template in templates:
        while (document := template(rng)).text in texts:
            pass
        texts.add(document.text)
        yield document


def jsonl() -> str:
    """Return the file: one JSON object per line, with the text and the answers to three questions.

    The answers are `total` (such as 17.40), `date` (YYYY-MM-DD) and `from`.
    """
    lines = (
        json.dumps(
            {
                "id": f"{document.kind}-{number:03}",
                "kind": document.kind,
                "text": document.text,
                "total": document.total,
                "date": document.date,
                "from": document.sender,
            },
            ensure_ascii=False,
        )
        for number, document in enumerate(sample_documents(), start=1)
    )
    return "".join(f"{line}\n" for line in lines)
