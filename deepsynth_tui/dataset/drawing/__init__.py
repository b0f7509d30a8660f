"""A text to page images: fonts, shaping, lines, pages, ink."""
