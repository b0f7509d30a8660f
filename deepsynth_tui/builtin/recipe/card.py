"""The model card of `builtin:tiny-vlm`, written from `figures.json` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = {"seen_fonts": "fonts seen in training", "unseen_fonts": "other fonts"}


def model_card(figures: Mapping[str, Any]) -> str:
    """Return the text of README.md; every number in it is from `figures`."""
    metrics, thresholds = figures["marks"], figures["bar"]
    evaluation_rows = "\n".join(
        f"| {PARTS[part]} | {values['documents']} | {values['characters']} | {values['cer']:.2%} "
        f"| {values['cer_low']:.2%} to {values['cer_high']:.2%} | {values['exact']:.0%} "
        f"| {thresholds[part]:.0%} |"
        for part, values in metrics.items()
    )
    stage_rows = "\n".join(
        f"| {stage['name']} | {stage['width']} x {stage['height']} | 1 to {stage['lines']} "
        f"| {', '.join(map(str, stage['sizes']))} | {stage['pages']:,} "
        f"| {stage['questions']:.0%} | {stage['steps']} "
        f"| {stage['losses'][-1][1]:.3f} |"
        for stage in figures["stages"]
    )
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    return f"""---
license: mit
library_name: transformers
pipeline_tag: image-text-to-text
tags: [ocr, deepsynth-tui]
---

# tiny-vlm

A vision-language model with {figures["parameters"]:,} parameters ({figures["bytes"]:,} bytes in
float16) that reads small pages of printed Latin text, digits and punctuation, as DeepSynth draws
them. Its architecture is Qwen3-VL from transformers, scaled down, with one token per byte. Its
purpose is to demonstrate fine-tuning on a machine without a GPU and without a network; it has no
knowledge of any language.

## Evaluation

Pages of 256 x 128 pixels with 1 to 6 lines, of words that do not occur in the training data. The
character error rate is the number of characters to insert, delete or replace, divided by the number
of characters on the page; the interval is a bootstrap over pages. The question is "Read."; training
also asked for parts of a page, such as its last line or what follows a word, so that the model
attends to the question.

| fonts | pages | characters | character error rate | 95 % interval | no errors | threshold |
|---|---|---|---|---|---|---|
{evaluation_rows}

## Training

`python -m deepsynth_tui.builtin.recipe FOLDER` trains it again from scratch: seed
{figures["seed"]}, {versions}. The recipe generates the texts, the dataset job draws the pages, and
the training job trains all weights. `figures.json` holds the loss curve of each stage.

| stage | page | lines | font sizes | pages | questions about a part | steps | last loss |
|---|---|---|---|---|---|---|---|
{stage_rows}

## Limitations

It is not trained for pages of other sizes, handwriting, other scripts, photographs, text below 13
pixels, or questions it was not fine-tuned on.
"""
