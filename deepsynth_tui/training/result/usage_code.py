"""The code in the model card: it loads what was trained and generates as the run did.

The code uses transformers and PEFT alone, except for a text encoder and for builtin models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deepsynth_tui.builtin import PREFIX
from deepsynth_tui.training.result.usage import DOCUMENT_FILE

# What `conversations.page_image.open_page` does with the kinds of images that people have.
OPEN_PAGE = '''
def open_page(file):
    """Return an upright, opaque page in RGB, as in training."""
    page = ImageOps.exif_transpose(Image.open(file))
    if page.mode.startswith("I;16"):  # Pillow clips gray of 16 bits to white.
        page = Image.fromarray(np.rint(np.asarray(page) / 257).astype(np.uint8))
    page = page.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", page.size, "white"), page).convert("RGB")
'''

_FILE = re.compile(rf'\{{\s*"file": "{re.escape(DOCUMENT_FILE)}"\s*\}}')


def required_packages(lineage: Mapping[str, Any]) -> list[str]:
    """Return the packages that the code imports, as pip calls them."""
    config = lineage["config"]
    packages = ["torch", "transformers", "accelerate"]
    packages += ["peft"] if config["lora"]["enabled"] else []
    packages += ["bitsandbytes"] if config["quantization"]["enabled"] else []
    packages += ["numpy", "pillow"] if lineage["usage"]["pages"] else []
    packages += ["torchvision"] if lineage["usage"]["reads_videos"] else []
    return packages


def usage_code(lineage: Mapping[str, Any]) -> str:
    """Return the code for the contents of `deepsynth.json`."""
    if lineage.get("text_encoder"):
        return "\n".join(_text_encoder_code(lineage))
    body = "\n".join(
        [
            "# This folder, or its id on the Hub.",
            f"folder = {json.dumps(lineage['usage']['location'])}",
            *_model(lineage),
            "",
            *_inputs(lineage),
            *_generation(lineage),
        ]
    )
    functions = [OPEN_PAGE, ""] if lineage["usage"]["pages"] else []
    return "\n".join([*_imports(lineage, body), "", *functions, body])


def _text_encoder_code(lineage: Mapping[str, Any]) -> Iterator[str]:
    usage = lineage["usage"]
    document = 'image=Path("page.png")' if usage["pages"] else "row=0"
    yield "from pathlib import Path"
    yield ""
    yield "from deepsynth_tui.adapters.try_out import try_out"
    yield ""
    yield f"# Or: python -m deepsynth_tui.adapters.try_out {usage['location']}"
    yield "# The instruction comes through text_encoder/, which PEFT and transformers do not load."
    yield "answers = try_out("
    yield f'    Path("{usage["location"]}"),'
    yield f"    {document},"
    yield f"    instruction={usage['instruction']!r},"
    yield f"    new_tokens={usage['max_new_tokens']},"
    yield ")"
    yield "print(answers.adapter)"


def _imports(lineage: Mapping[str, Any], body: str) -> Iterator[str]:
    if "math." in body:
        yield "import math"
    if "Path(" in body:
        yield "from pathlib import Path"
    if "math." in body or "Path(" in body:
        yield ""
    if lineage["usage"]["pages"]:
        yield "import numpy as np"
    yield "import torch"
    if "locate(" in body:
        yield "from deepsynth_tui.builtin import locate"
    if lineage["config"]["lora"]["enabled"]:
        yield "from peft import PeftModel"
    if lineage["usage"]["pages"]:
        yield "from PIL import Image, ImageOps"
    names = [_model_class(lineage), _processor_class(lineage)]
    names += ["BitsAndBytesConfig"] if lineage["config"]["quantization"]["enabled"] else []
    yield f"from transformers import {', '.join(sorted(names))}"


def _model_class(lineage: Mapping[str, Any]) -> str:
    reads_images = lineage["base"]["reads_images"]
    return "AutoModelForImageTextToText" if reads_images else "AutoModelForCausalLM"


def _processor_class(lineage: Mapping[str, Any]) -> str:
    return "AutoProcessor" if lineage["base"]["reads_images"] else "AutoTokenizer"


def _model(lineage: Mapping[str, Any]) -> Iterator[str]:
    base, config = lineage["base"], lineage["config"]
    model, quantization = config["model"], config["quantization"]
    is_adapter = config["lora"]["enabled"]
    remote = ", trust_remote_code=True" if model["trust_remote_code"] else ""
    yield f"{'base' if is_adapter else 'model'} = {_model_class(lineage)}.from_pretrained("
    if not is_adapter:
        yield "    folder,"
    elif base["name"].startswith(PREFIX):  # it has another path on each machine
        yield f'    locate("{base["name"]}"),'
    else:
        yield f'    "{base["name"] if base["commit"] else base["path"]}",'
    if is_adapter and base["commit"]:
        yield f'    revision="{base["commit"]}",'
    yield f"    dtype=torch.{model['dtype']},"
    yield f'    attn_implementation="{model["attn_implementation"]}",'
    if quantization["enabled"]:
        yield from _quantization(lineage)
    yield '    device_map="auto",'
    if remote:
        yield "    trust_remote_code=True,"
    yield ")"
    if is_adapter:
        yield "model = PeftModel.from_pretrained(base, folder)"
    yield "model.eval()"
    name = "processor" if base["reads_images"] else "tokenizer"
    yield f"{name} = {_processor_class(lineage)}.from_pretrained(folder{remote})"


def _quantization(lineage: Mapping[str, Any]) -> Iterator[str]:
    settings = lineage["config"]["quantization"]
    yield "    quantization_config=BitsAndBytesConfig("
    if settings["bits"] == 8:
        yield "        load_in_8bit=True,"
    else:
        yield "        load_in_4bit=True,"
        yield f'        bnb_4bit_quant_type="{settings["quant_type"]}",'
        yield f"        bnb_4bit_use_double_quant={settings['double_quant']},"
        yield f"        bnb_4bit_compute_dtype=torch.{settings['compute_dtype']},"
    if skipped := _unquantized_modules(lineage):
        yield f"        llm_int8_skip_modules={json.dumps(skipped)},"
    yield "    ),"


def _unquantized_modules(lineage: Mapping[str, Any]) -> list[str]:
    """Return the modules that were not quantized; empty: those that transformers leaves out."""
    recorded = lineage["usage"].get("unquantized_modules")
    if recorded is None:  # a run before quantization.towers
        saved = lineage["config"]["lora"]["modules_to_save"]
        return ["lm_head", *saved] if saved else []
    return recorded


def _inputs(lineage: Mapping[str, Any]) -> Iterator[str]:
    usage = lineage["usage"]
    reads_images = lineage["base"]["reads_images"]
    pages = usage["pages"]
    if pages:
        files = ["page.png"] if pages == 1 else [f"page-{i}.png" for i in range(1, pages + 1)]
        yield f"files = {json.dumps(files)}"
        yield "pages = [open_page(file) for file in files]"
        yield from _resize(usage)
    name = "processor" if reads_images else "tokenizer"
    if usage["prompt"] is not None:
        yield f"prompt = {usage['prompt']!r}"
    else:
        yield f"messages = {_literal(usage['messages'])}"
        yield f"prompt = {name}.apply_chat_template("
        options = usage.get("template_options") or {}
        more = "".join(f", {name}={value!r}" for name, value in options.items())
        yield f"    messages, add_generation_prompt=True, tokenize=False{more}"
        yield ")"
        if suffix := usage.get("prompt_suffix"):
            yield f"prompt += {suffix!r}  # the empty thought of the template"
    images = "images=[pages], " if pages else ""
    text = "text=[prompt]" if reads_images else "[prompt]"
    yield f"inputs = {name}("
    yield (
        f'    {text}, {images}add_special_tokens={usage["add_special_tokens"]}, return_tensors="pt"'
    )
    yield ").to(model.device)"


def _resize(usage: Mapping[str, Any]) -> Iterator[str]:
    """Yield what `models.page_resizing.bounded_size` does, where the processor does not."""
    least, most = usage["min_pixels"], usage["max_pixels"]
    if not least and not most:
        return
    area = "page.width * page.height"
    bounded = f"max({area}, {least})" if least else area
    bounded = f"min({bounded}, {most})" if most else bounded
    yield "# The image processor does not limit the area of a page; training did:"
    yield "for i, page in enumerate(pages):"
    yield f"    scale = math.sqrt({bounded} / ({area}))"
    yield "    if scale != 1:"
    yield "        whole = math.floor if scale < 1 else math.ceil"
    yield "        size = [max(1, whole(edge * scale)) for edge in page.size]"
    yield "        pages[i] = page.resize(size, Image.Resampling.LANCZOS)"


def _generation(lineage: Mapping[str, Any]) -> Iterator[str]:
    usage, training = lineage["usage"], lineage["config"]["training"]
    yield ""
    if training["bf16"] or training["fp16"]:
        dtype = "bfloat16" if training["bf16"] else "float16"
        yield (f"with torch.no_grad(), torch.autocast(model.device.type, dtype=torch.{dtype}):")
    else:
        yield "with torch.no_grad():"
    yield "    output = model.generate("
    yield "        **inputs,"
    yield f"        max_new_tokens={usage['max_new_tokens']},"
    yield "        do_sample=False,"
    yield f"        pad_token_id={usage['pad_token_id']},"
    if usage["eos_token_id"]:
        yield f"        eos_token_id={usage['eos_token_id']},"
    yield "    )"
    name = "processor" if lineage["base"]["reads_images"] else "tokenizer"
    yield 'answer = output[0, inputs["input_ids"].shape[1] :]'
    yield f"print({name}.decode(answer, skip_special_tokens=True))"


def _literal(value: Any) -> str:
    """Return a Python literal of lists, objects and strings, which JSON writes alike.

    A text that is left out is read from a file.
    """
    text = json.dumps(value, indent=4, ensure_ascii=False)
    return _FILE.sub(f'Path("{DOCUMENT_FILE}").read_text(encoding="utf-8")', text)
