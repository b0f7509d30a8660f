"""Answer a question about a page with transformers and PEFT alone.

`python -m tests.process.adapter_alone BASE ADAPTER PAGE QUESTION` prints the answers of the base
model, of the adapter, and of the two merged as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from peft import PeftModel
from transformers import AutoModelForImageTextToText

from tests.builtin.plain_reading import read


def main() -> None:
    base, adapter, page, question = sys.argv[1:]
    model = AutoModelForImageTextToText.from_pretrained(base, dtype="float32").eval()
    answers = {"base": read(model, adapter, Path(page), question)}
    adapted = PeftModel.from_pretrained(model, adapter).eval()
    answers["adapter"] = read(adapted, adapter, Path(page), question)
    merged = adapted.merge_and_unload()
    answers["merged"] = read(merged, adapter, Path(page), question)
    assert not any(name.startswith("deepsynth_tui") for name in sys.modules)
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main()
