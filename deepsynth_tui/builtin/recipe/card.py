"""The model card of the reader, from its figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = {"seen_fonts": "fonts it learned with", "unseen_fonts": "other fonts of the system"}


def card(figures: Mapping[str, Any]) -> str:
    """Return the text of README.md; every number in it is one of `figures`."""
    marks, bar = figures["marks"], figures["bar"]
    rows = "\n".join(
        f"| {PARTS[part]} | {mark['documents']} | {mark['characters']} | {mark['cer']:.2%} "
        f"| {mark['cer_low']:.2%} to {mark['cer_high']:.2%} | {mark['exact']:.0%} "
        f"| {bar[part]:.0%} |"
        for part, mark in marks.items()
    )
    stages = "\n".join(
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

A vision-language model of {figures["parameters"]:,} parameters ({figures["bytes"]:,} bytes of
float16) that reads small pages of printed Latin text, digits and marks, as DeepSynth draws them.
It is Qwen3-VL as transformers has it, scaled down, with one token for each byte. It was made to
show a real fine-tuning on a machine without a GPU and without a network; it knows no language.

## What it reads

Pages of 256 x 128 pixels with 1 to 6 lines, of words that were in no lesson. Character error rate:
characters to insert, delete or replace over the characters of the page; the interval is a
bootstrap over pages. It is asked to "Read."; lessons also asked for parts of a page, such as its
last line or what follows a word, so that it listens to what it is asked.

| pages in | pages | characters | error rate | 95 % interval | without any error | allowed |
|---|---|---|---|---|---|---|
{rows}

## How it was made

`python -m deepsynth_tui.builtin.recipe FOLDER` makes it again from nothing: seed
{figures["seed"]}, {versions}. Texts are made up by the recipe, pages are drawn by the dataset job,
and all weights learn in the training job. The curve of each stage is in `figures.json`.

| stage | page | lines | text sizes | pages | asked about a part | steps | last loss |
|---|---|---|---|---|---|---|---|
{stages}

## What it does not

Pages of another size than it learned with, handwriting, other scripts, photographs, text under 13
pixels, languages, answers to questions that it was not fine-tuned for.
"""
