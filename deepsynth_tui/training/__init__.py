"""From a configuration and a dataset to an adapter on disk.

Read it in the order of the work: `job` (the process), `model` and `quantization` (loading),
`lora` (what is trained), `rows`, `conversations`, `batches`, `lengths` and `excess` (what the
model sees), `forecast` (what it should take), `loop` and `trainer` (the steps), `answering` and
`scoring` (how good the answers are), `reporting` and `measuring` (what is told of it),
`checkpoints`, `saving`, `verify` and `lineage` (what is left). `failures` puts errors into words;
`preflight` finds them before the start, without torch; `xray` takes the first batch apart.
"""
