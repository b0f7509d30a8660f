"""Train the model `builtin:tiny-vlm` from scratch: `python -m deepsynth_tui.builtin.recipe FOLDER`.

`texts` generates the training texts, `questions` what is asked about them, `model` the untrained
checkpoint, and `stages` the settings of each training stage. `pretrain` runs the stages as ordinary
dataset and training jobs, `evaluate` measures the character error rate, and `export` writes the
folder that is copied to `builtin/tiny-vlm`.
"""
