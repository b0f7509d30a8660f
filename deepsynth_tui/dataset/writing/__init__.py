"""Write drawn documents as Parquet shards and assemble them into a dataset.

- `document_batches` groups documents; each batch becomes one shard.
- `backends` is the interface of the workers that write shards: `inline_backend`, `process_pool`,
  `ray_backend`. `dispatch` hands batches to them.
- `shards` writes one shard: `flaws` decides which documents it holds, `schema`, `arrow_columns` and
  `parquet_writer` how rows are stored, and `tally` counts.
- `partial_dataset` keeps finished shards until the dataset is complete; `manifest`, `report` and
  `dataset_card` describe it, and `publish` uploads it.
"""
