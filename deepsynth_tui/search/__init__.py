"""Search for the best settings of a training run: its trials are ordinary runs in the queue.

====================== ==================================================================
`prepare`              check what a search names: base, parameters, metric
`space`                the values of each parameter
`folder`               the files of a search, and its lock
`study`                what Optuna decides: storage, sampler, pruner, importance
`trial_runs`           the run of a trial: created once, queued, followed
`run_search`           the search itself, from the first trial to the result
`results`              rows, table and best configuration
====================== ==================================================================
"""
