"""Write conversations about images in the formats that other projects train on.

- All of them start from a `Conversation` and take its `row_parts`; `export` chooses a format by its
  name, writes into a new folder, and returns a `report` of what was written and what the format
  cannot hold.
- One module for each format: `sharegpt` (LLaMA-Factory and ms-swift), `qwen`, `trl`, `olmocr` (with
  `pdf_page`), `webdataset`, `imagefolder`. `image_files` names and writes the images of three.
"""
