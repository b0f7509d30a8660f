"""Documents become pages, pages become a dataset.

From reading to writing: `sources` (documents), `cleaning` and `composing` (what is drawn),
`layout` (where), `drawing` (with which ink), `rendering` (all three), `drawing_pool` (in several
processes), `rows` and `shards` (on disk), `pipeline` (the whole), `job` (as a process).
"""
