"""The commands of Slurm: submit, cancel and signal a batch job, and ask what became of it.

Standard library only. What a run has to do with a batch job is in `runs.batch_job`.
"""
