"""Generate the answers of an adapter, or a fine-tuned model, and of its base for one document.

`python -m deepsynth_tui.adapters.try_out FOLDER [--image PAGE | --row N] [--json]`. The default is
row 0 of the dataset that the adapter or model was trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepsynth_tui.config.load import load_record
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.result.file_names import LINEAGE, PEFT_CONFIG

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from deepsynth_tui.conversations.conversation import Conversation
    from deepsynth_tui.training.evaluation.generate import Answer

DEFAULT_NEW_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of the base model and of the adapter, or of the fine-tuned model, to a document.

    `target` is None for an image of one's own, `instruction` without a text encoder: the prompt
    holds the instruction then. An answer that `is_cut` did not end within the limit of tokens.
    """

    prompt: str
    instruction: str | None
    target: str | None
    base: str
    adapter: str
    base_is_cut: bool
    adapter_is_cut: bool


def try_out(
    folder: Path,
    *,
    image: Path | None = None,
    row: int = 0,
    instruction: str | None = None,
    new_tokens: int = DEFAULT_NEW_TOKENS,
) -> Answers:
    """Load the adapter or model in `folder` and its base; generate up to `new_tokens` from each.

    A text encoder that was trained with the adapter feeds both, with its trained weights.

    Raises:
        UserError: the base model, the dataset, the row or the image cannot be used.
        OSError: the adapter, its base model or the image cannot be read.
        IndexError: the dataset has no such row.
    """
    from peft import PeftModel

    from deepsynth_tui.training.data.collator import Collator
    from deepsynth_tui.training.data.example import ExampleBuilder
    from deepsynth_tui.training.evaluation.generate import generate_answers
    from deepsynth_tui.training.modeling.load import load_model_and_processor, load_saved_model
    from deepsynth_tui.training.text_encoder import checkpoint
    from deepsynth_tui.training.text_encoder.load import load_text_encoder
    from deepsynth_tui.training.text_encoder.soft_tokens import text_encoder_attached

    config = configuration(folder)
    data = config.data.model_copy(update={"learn_turns": "last"})  # the answer to generate
    if instruction:
        data = data.model_copy(update={"instruction": instruction})
    config = config.model_copy(update={"data": data})
    base = load_model_and_processor(config)
    collator = Collator(base, config)
    builder = ExampleBuilder(config.data, base.reads_images, config.text_encoder.enabled)
    conversation = page_conversation(image) if image else _row(config, row)
    rendered = collator.render(builder.build(conversation))
    encoder = load_text_encoder(base.model, config, commit=_encoder_commit(folder))
    if encoder is not None:
        checkpoint.restore(encoder, folder)

    def answer(model: PeftModel | PreTrainedModel) -> Answer:
        with text_encoder_attached(model, encoder):
            return generate_answers(model, collator, [rendered], max_new_tokens=[new_tokens])[0]

    model = base.model
    del base
    base_answer = answer(model)
    if config.lora.enabled:
        adapter_answer = answer(PeftModel.from_pretrained(model, str(folder)).eval())
    else:
        del model  # its memory is needed for the second one
        adapter_answer = answer(load_saved_model(folder, config))
    return Answers(
        prompt=rendered.prompt,
        instruction=rendered.example.instruction,
        target=None if image else rendered.example.answer,
        base=base_answer.text,
        adapter=adapter_answer.text,
        base_is_cut=base_answer.is_cut,
        adapter_is_cut=adapter_answer.is_cut,
    )


def configuration(folder: Path) -> TrainingConfig:
    """Return the configuration of the run that trained an adapter.

    For an adapter without `deepsynth.json`: the defaults, with the base model that PEFT names.
    """
    lineage = folder / LINEAGE
    if lineage.is_file():
        settings = json.loads(lineage.read_text(encoding="utf-8"))["config"]
        return load_record(settings)
    peft = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    model = {"name_or_path": peft["base_model_name_or_path"], "revision": peft.get("revision")}
    return TrainingConfig.model_validate({"kind": "training", "model": model})


def _encoder_commit(folder: Path) -> str | None:
    """Return the Hub commit of the text encoder that was trained with an adapter."""
    lineage = folder / LINEAGE
    if not lineage.is_file():
        return None
    return json.loads(lineage.read_text(encoding="utf-8")).get("text_encoder", {}).get("commit")


def _row(config: TrainingConfig, index: int) -> Conversation:
    from deepsynth_tui.training.data.open_datasets import open_training_datasets

    return open_training_datasets(config)[index]


def page_conversation(image: Path) -> Conversation:
    """Return a conversation about the page; its answer is a placeholder outside the prompt."""
    from deepsynth_tui.conversations.conversation import (
        DEFAULT_INSTRUCTION,
        Conversation,
        image_part,
        text_part,
    )

    question = [image_part(), text_part(DEFAULT_INSTRUCTION)]
    return Conversation(
        row_id="row 0",
        messages=[
            {"role": "user", "content": question},
            {"role": "assistant", "content": [text_part("?")]},
        ],
        images=[{"bytes": image.read_bytes(), "path": image.name}],
    )


def main(arguments: list[str] | None = None) -> int:
    """Print both answers. Returns the exit code: 1, with the reason on stderr, without answers."""
    parser = argparse.ArgumentParser(prog="python -m deepsynth_tui.adapters.try_out")
    parser.add_argument("adapter", type=Path, help="folder of the adapter or model")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--image", type=Path, help="an image file")
    source.add_argument("--row", type=int, default=0, help="a row of the adapter's dataset")
    parser.add_argument("--instruction", help="the instruction that goes with the page")
    parser.add_argument(
        "--tokens", type=int, default=DEFAULT_NEW_TOKENS, help="at most this many new tokens"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    from deepsynth_tui.errors import UserError
    from deepsynth_tui.training.environment import number_gpus_by_bus
    from deepsynth_tui.training.silence_libraries import silence_libraries

    number_gpus_by_bus()
    silence_libraries()
    try:
        answers = try_out(
            options.adapter,
            image=options.image,
            row=options.row,
            instruction=options.instruction,
            new_tokens=options.tokens,
        )
    except UserError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    except (OSError, IndexError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(asdict(answers), ensure_ascii=False) + "\n")
        return 0
    cut = f" (cut after {options.tokens} tokens)"
    is_adapter = (options.adapter / PEFT_CONFIG).is_file()
    trained = "With the adapter" if is_adapter else "Fine-tuned model"
    sections = {
        "Prompt": answers.prompt,
        "Instruction (text encoder)": answers.instruction,
        "Expected": answers.target,
        f"Base model{cut if answers.base_is_cut else ''}": answers.base,
        f"{trained}{cut if answers.adapter_is_cut else ''}": answers.adapter,
    }
    for title, text in sections.items():
        if text is not None:
            sys.stdout.write(f"{title}:\n{text}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
