"""The file `papers.jsonl`: as many papers of each kind, in an order by chance, from one seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from deepsynth_tui.builtin.sample_documents.templates import KINDS, Paper

FILE = Path(__file__).parent.parent / "papers.jsonl"
SEED = 20_261_126
COUNT = 480


def papers(seed: int = SEED, count: int = COUNT) -> Iterator[Paper]:
    """Yield `count` papers, no two with the same text."""
    rng = random.Random(seed)
    kinds = [kind for kind in KINDS for _ in range(-(-count // len(KINDS)))][:count]
    rng.shuffle(kinds)
    seen: set[str] = set()
    for kind in kinds:
        while (paper := kind(rng)).text in seen:
            pass
        seen.add(paper.text)
        yield paper


def jsonl() -> str:
    """Return the file: a JSON object each line, with the answers to three questions beside the
    text: `total` (such as 17.40), `date` (YYYY-MM-DD) and `from`."""
    lines = (
        json.dumps(
            {
                "id": f"{paper.kind}-{number:03}",
                "kind": paper.kind,
                "text": paper.text,
                "total": paper.total,
                "date": paper.date,
                "from": paper.sender,
            },
            ensure_ascii=False,
        )
        for number, paper in enumerate(papers(), start=1)
    )
    return "".join(f"{line}\n" for line in lines)
