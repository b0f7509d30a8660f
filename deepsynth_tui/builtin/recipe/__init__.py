"""How the reader `builtin:tiny-vlm` is made from nothing: `python -m deepsynth_tui.builtin.recipe`.

`texts` writes what is to be read, `model` the untrained checkpoint, `stages` the settings of the
runs, and `pretrain` starts those runs one after the other: ordinary dataset and training jobs.
`examination` says what came of it, and `shipping` writes the folder that is copied to
`builtin/tiny-vlm`.
"""
