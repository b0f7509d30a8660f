"""Generate the sample documents of the demo, which teach the model to answer questions.

`names` makes up people and companies, `amounts` dates and sums of money, and `templates` the
documents. `python -m deepsynth_tui.builtin.sample_documents` writes `builtin:papers` again.
"""
