"""Small papers that nobody ever sent: what the demo teaches the model to answer questions on.

`names` makes up who sends and gets them, `figures` days and sums as papers write them, `kinds` the
papers themselves. `python -m deepsynth_tui.builtin.sample_documents` writes `builtin:papers` again.
"""
