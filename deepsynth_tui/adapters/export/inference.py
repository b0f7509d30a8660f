"""Answer questions about pages with the model in this folder.

    python inference.py --image page.png --instruction "Read the document."

Needs torch, transformers, accelerate, numpy and pillow, for an adapter peft, for a quantized base
bitsandbytes. Settings are in inference.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import (
    PROCESSOR_MAPPING,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    BitsAndBytesConfig,
)
from transformers.utils.import_utils import is_torchvision_available

FOLDER = Path(__file__).parent


def load_model(settings: dict[str, Any], base: str | None) -> Any:
    """Load the model as the run that trained it did; `base` is where its base model is."""
    path = base or settings["base"] or "."
    if not base and (FOLDER / path).is_dir():
        path = str(FOLDER / path)
    auto = AutoModelForImageTextToText if settings["reads_images"] else AutoModelForCausalLM
    quantization = settings["quantization"]
    if quantization:
        quantization = BitsAndBytesConfig(
            **{
                name: getattr(torch, value) if name.endswith("dtype") else value
                for name, value in quantization.items()
            }
        )
    model: Any = auto.from_pretrained(
        path,
        revision=settings["revision"],
        dtype=getattr(torch, settings["dtype"]),
        attn_implementation=settings["attn_implementation"],
        quantization_config=quantization,
        trust_remote_code=settings["trust_remote_code"],
        device_map="auto" if torch.cuda.is_available() else {"": "cpu"},
    )
    if settings["is_adapter"]:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(FOLDER))
    return model.eval()


def load_processor(settings: dict[str, Any], model: Any) -> Any:
    """Load the processor, without its part for videos where torchvision is missing."""
    remote = {"trust_remote_code": settings["trust_remote_code"]}
    if not settings["reads_images"]:
        return AutoTokenizer.from_pretrained(FOLDER, **remote)
    base_class: Any = PROCESSOR_MAPPING.get(type(model.config), None)
    if (
        is_torchvision_available()
        or base_class is None
        or "video_processor" not in base_class.get_attributes()
    ):
        return AutoProcessor.from_pretrained(FOLDER, **remote)

    def get_attributes(cls: Any) -> list[str]:
        return [name for name in base_class.get_attributes() if name != "video_processor"]

    def from_args_and_dict(cls: Any, args: Any, values: dict[str, Any], **kwargs: Any) -> Any:
        values = {**values, "video_processor": None}
        return base_class.from_args_and_dict.__func__(cls, args, values, **kwargs)

    members = {
        "get_attributes": classmethod(get_attributes),
        "from_args_and_dict": classmethod(from_args_and_dict),
    }
    return type(base_class.__name__, (base_class,), members).from_pretrained(FOLDER)


def load_page(path: str, settings: dict[str, Any]) -> Image.Image:
    """Return a page upright, on white, of the size that the model was trained with."""
    page = ImageOps.exif_transpose(Image.open(path))
    if page.mode.startswith("I;16"):  # Pillow clips gray of 16 bits to white
        page = Image.fromarray(np.rint(np.asarray(page) / 257).astype(np.uint8))
    page = page.convert("RGBA")
    page = Image.alpha_composite(Image.new("RGBA", page.size, "white"), page).convert("RGB")
    area = page.width * page.height
    bounded = max(area, settings["min_pixels"] or area)
    bounded = min(bounded, settings["max_pixels"] or bounded)
    if bounded == area:
        return page
    scale = math.sqrt(bounded / area)
    whole = math.floor if scale < 1 else math.ceil
    width, height = (max(1, whole(edge * scale)) for edge in page.size)
    return page.resize((width, height), Image.Resampling.LANCZOS)


class Reader:
    """A loaded model that answers conversations about pages."""

    def __init__(self, settings: dict[str, Any], base: str | None = None) -> None:
        self.settings = settings
        self.model = load_model(settings, base)
        self.processor = load_processor(settings, self.model)
        self.tokenizer = getattr(self.processor, "tokenizer", self.processor)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def answer(
        self,
        messages: list[dict[str, Any]],
        images: list[str],
        max_new_tokens: int,
        template_options: dict[str, Any] | None = None,
        prompt_suffix: str | None = None,
    ) -> str:
        """Return the answer to the last message; `images` are the files of its image parts.

        Options of the chat template and what is added to its prompt are by default those of the
        run.
        """
        settings = self.settings
        if template_options is None:
            template_options = settings["template_options"]
        if prompt_suffix is None:
            prompt_suffix = settings["prompt_suffix"]
        if not settings["reads_images"]:
            messages = [
                {**m, "content": "".join(p["text"] for p in m["content"] if p["type"] == "text")}
                for m in messages
            ]
        template = settings["chat_template"] or {}
        rendering = {**template, **(template_options or {})}
        prompt: str = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **rendering
        )
        prompt += prompt_suffix or ""
        start = self.tokenizer.bos_token or ""
        special = settings["reads_images"] and not template
        special = special and not (start and prompt.startswith(start))
        options: dict[str, Any] = {"add_special_tokens": special, "return_tensors": "pt"}
        if settings["reads_images"]:
            pages = [load_page(path, settings) for path in images]
            if pages:
                options["images"] = [pages]
            inputs = self.processor(text=[prompt], **options)
        else:
            inputs = self.tokenizer([prompt], **options)
        inputs = {name: value.to(self.model.device) for name, value in inputs.items()}
        autocast = contextlib.nullcontext()
        if settings["autocast"]:
            dtype = getattr(torch, settings["autocast"])
            autocast = torch.autocast(self.model.device.type, dtype=dtype)
        with torch.no_grad(), autocast:
            output = self.model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=settings["pad_token_id"],
                eos_token_id=settings["eos_token_ids"] or None,
            )
        ids = output[0, inputs["input_ids"].shape[1] :]
        return self.tokenizer.decode(ids, skip_special_tokens=True)


def main() -> None:
    """Print the answer to an instruction, or write those to many rows."""
    settings = json.loads((FOLDER / "inference.json").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description="Answer questions about pages.")
    parser.add_argument("--image", action="append", default=[], help="a page; repeat for more")
    parser.add_argument("--instruction", default=settings["instruction"])
    parser.add_argument("--max-new-tokens", type=int, default=settings["max_new_tokens"])
    parser.add_argument("--base", help="folder or Hub id of the base model")
    parser.add_argument("--rows", help="JSON list of {messages, images, max_new_tokens}")
    parser.add_argument("--answers", help="file for the answers to --rows, as a JSON list")
    options = parser.parse_args()
    if bool(options.rows) != bool(options.answers):
        parser.error("--rows and --answers go together")
    reader = Reader(settings, options.base)
    if options.rows:
        rows = json.loads(Path(options.rows).read_text(encoding="utf-8"))
        answers = [reader.answer(**row) for row in rows]
        Path(options.answers).write_text(json.dumps(answers), encoding="utf-8")
        return
    parts: list[dict[str, Any]] = [{"type": "image"} for _ in options.image]
    parts.append({"type": "text", "text": options.instruction})
    messages = [{"role": "user", "content": parts}]
    print(reader.answer(messages, options.image, options.max_new_tokens))  # noqa: T201


if __name__ == "__main__":
    main()
