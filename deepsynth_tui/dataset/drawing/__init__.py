"""Render a text to page images: fonts, shaping, line breaking, pagination, PNG.

Pipeline: `renderer` (entry point) -> `typesetter` -> `measured_text` (shape each word once with
HarfBuzz) -> `wrapping` -> `pagination` -> `alignment` -> `blitter` -> `png`.

Layout is our own because skia-python's `textlayout.Paragraph`, the fastest complete engine with
wheels, is slower end to end (text to Parquet shard in 0.06 of the time of the reference loop,
against 0.044 to 0.050 here), cannot set a right-to-left base direction, and reports neither line
metrics nor missing glyphs, without which no page can prove that it holds all of its text.
Pango has the features but no Linux wheels.
"""
