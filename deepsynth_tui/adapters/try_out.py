"""Ask a document of an adapter and of its base model.

`python -m deepsynth_tui.adapters.try_out ADAPTER [--image PAGE | --row N] [--json]`. Without
either, row 0 of the dataset that the adapter was trained on is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepsynth_tui.adapters.listing import LINEAGE, PEFT_CONFIG
from deepsynth_tui.config.training import TrainingConfig


@dataclass(frozen=True, slots=True)
class Answers:
    """What base and adapter say to one document. `target` is None where nobody knows it,
    `instruction` where the prompt holds it and no text encoder reads it."""

    prompt: str
    instruction: str | None
    target: str | None
    base: str
    adapter: str


def try_out(
    folder: Path,
    *,
    image: Path | None = None,
    row: int = 0,
    instruction: str | None = None,
    new_tokens: int = 48,
) -> Answers:
    """Load the adapter in `folder` on its base and generate at most `new_tokens` tokens from each.

    Both hear the text encoder, where there is one, as it was trained with the adapter.

    Raises:
        TrainingError: base model or dataset cannot be used.
        OSError: the adapter, its base or the image is not there.
        IndexError: the dataset has no such row.
    """
    from peft import PeftModel

    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.evaluation.samples import generate_answer
    from deepsynth_tui.training.modeling.load import load_model_and_processor
    from deepsynth_tui.training.text_encoder import checkpoint
    from deepsynth_tui.training.text_encoder.load import load_text_encoder
    from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached

    config = configuration(folder)
    if instruction:
        data = config.data.model_copy(update={"instruction": instruction})
        config = config.model_copy(update={"data": data})
    base = load_model_and_processor(config)
    batcher = Collator(base, config)
    asked = _page(image, config) if image else _row(config, row, images=base.reads_images)
    rendered = batcher.render(asked)
    encoder = load_text_encoder(base.model, config, commit=_encoder_commit(folder))
    if encoder is not None:
        checkpoint.restore(encoder, folder)
    model = PeftModel.from_pretrained(base.model, str(folder)).eval()
    with text_encoder_attached(model, encoder):
        with model.disable_adapter():
            before = generate_answer(model, batcher, rendered, new_tokens=new_tokens)
        after = generate_answer(model, batcher, rendered, new_tokens=new_tokens)
    return Answers(
        prompt=rendered.prompt,
        instruction=rendered.conversation.instruction,
        target=None if image else rendered.conversation.answer,
        base=before,
        adapter=after,
    )


def configuration(folder: Path) -> TrainingConfig:
    """The configuration that an adapter was trained with; defaults for a foreign adapter."""
    lineage = folder / LINEAGE
    if lineage.is_file():
        stated = json.loads(lineage.read_text(encoding="utf-8"))["config"]
        return TrainingConfig.model_validate(stated)
    peft = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    model = {"name_or_path": peft["base_model_name_or_path"], "revision": peft.get("revision")}
    return TrainingConfig.model_validate({"kind": "training", "model": model})


def _encoder_commit(folder: Path) -> str | None:
    """The Hub commit of the text encoder that an adapter was trained with."""
    lineage = folder / LINEAGE
    if not lineage.is_file():
        return None
    return json.loads(lineage.read_text(encoding="utf-8")).get("text_encoder", {}).get("commit")


def _row(config: TrainingConfig, number: int, *, images: bool) -> dict[str, Any]:
    from deepsynth_tui.training.data.dataset import (
        Rows,
        check_columns,
        keep_images_encoded,
        open_dataset,
    )

    dataset = open_dataset(config.data)
    check_columns(dataset.column_names, config.data, images=images)
    return Rows(keep_images_encoded(dataset, config.data.image_column), range(len(dataset)))[number]


def _page(image: Path, config: TrainingConfig) -> dict[str, Any]:
    """A row as a dataset would hold it. The answer is never shown to the model."""
    from deepsynth_tui.training.data.formats import ROW_INDEX

    stored = {"bytes": image.read_bytes(), "path": image.name}
    return {ROW_INDEX: 0, config.data.image_column: [stored], config.data.target_column: "?"}


def main(arguments: list[str] | None = None) -> int:
    """Print both answers; exit code 1 with the reason on stderr when there are none."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.adapters.try_out")
    parser.add_argument("adapter", type=Path, help="the adapter folder")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--image", type=Path, help="a page to read")
    asked.add_argument("--row", type=int, default=0, help="a row of the adapter's dataset")
    parser.add_argument("--instruction", help="what to ask beside the page")
    parser.add_argument("--tokens", type=int, default=48, help="the longest answer")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    from deepsynth_tui.training.failures import TrainingError
    from deepsynth_tui.training.silence_libraries import no_progress_bars

    no_progress_bars()
    try:
        answers = try_out(
            given.adapter,
            image=given.image,
            row=given.row,
            instruction=given.instruction,
            new_tokens=given.tokens,
        )
    except TrainingError as error:
        sys.stderr.write(f"{error.message}\n{error.advice}\n")
        return 1
    except (OSError, IndexError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if given.json:
        sys.stdout.write(json.dumps(asdict(answers), ensure_ascii=False) + "\n")
        return 0
    told = {
        "Asked": answers.prompt,
        "Told through the text encoder": answers.instruction,
        "Wanted": answers.target,
        "Base model": answers.base,
        "With the adapter": answers.adapter,
    }
    for title, text in told.items():
        if text is not None:
            sys.stdout.write(f"{title}:\n{text}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
