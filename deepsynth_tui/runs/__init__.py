"""The contract between screens and jobs: a run is a directory, and everything else is a reader.

A job (a process in its own session) writes events, a heartbeat and what it printed into its run
directory; screens and commands read them at an offset and leave requests. Neither side holds a
pipe to the other, so that either may be killed at any time and come back. Standard library only.

==============  =====================================================================
`directory`     create, find and list run directories
`launch`        start a job detached from the terminal and from the process that starts it
`job`           the job's side: `run_job`, and the `Job` that its body reports to
`control`       ask a job to stop, and make it
`events`        the event log: one JSON line per event
`tail`          read a growing file at an offset
`console`       what the job printed, made harmless for a terminal
`state`         fold events into a `RunState`
`liveness`      is the process of this run there?
`summary`       one line about a run, for lists
==============  =====================================================================
"""
