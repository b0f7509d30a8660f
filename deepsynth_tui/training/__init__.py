"""From a configuration and a dataset to an adapter on disk.

Read it in the order of the work: `job` (the process), `model` and `quantization` (loading), `lora`
and `text_encoder` (what is trained), `data` (what the model is given), `arguments`, `loop` and
`trainer` (the steps), in several `processes` where there are several GPUs. Beside that: `watching`
(what is seen of the steps), `answers` (how good the model is), `result` (what is left), and
`failures` in words. `preflight` finds problems before the start, without torch; `xray` takes the
first batch apart; `simulation` takes a step without a GPU.
"""
