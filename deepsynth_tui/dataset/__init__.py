"""Generate datasets of page images: read documents, draw their pages, write Parquet shards.

- `pipeline.generate` is the whole job, step by step; `job` runs it as a process of its own.
- `reading` opens the sources and decides what is drawn; `drawing` renders pages; `writing` writes
  shards in parallel and puts the dataset together.
- `draw_document` draws one document, `preview` the first few of a source, and `preflight` reports
  every problem before a run starts.
"""
