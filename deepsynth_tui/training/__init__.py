"""Train an adapter or a whole model on a dataset.

`job` is the process and lists the steps of a run; `run` holds the steps. They use `modeling` (load,
quantize, add LoRA), `data` (rows, lengths, collator), `fit` with `arguments`, `trainer`,
`callbacks` and `evaluation` (training itself), and `result` (checkpoints, adapter, verification,
upload). `ranks` starts a process per GPU. `text_encoder` reads the instruction through a second
model. `failures` explains errors. `preflight` finds problems before the start, without torch;
`xray` shows the first batch; `simulation` takes a step without a GPU.
"""
