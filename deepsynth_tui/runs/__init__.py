"""The contract between screens and jobs: a run is a directory that both sides read and write.

A job, a process in its own session, writes events, a heartbeat and its output into its run
directory. Screens and commands read these files from an offset, and leave requests. No pipe
connects the two, so either side may be killed at any time and come back. Standard library only.

====================== ==================================================================
`directory`            create, find and list run directories
`launch`               start a job detached from the terminal and from its parent process
`job`                  the job's side: `run_job`, and the `Job` that its body reports to
`queue`                runs that wait for a GPU or the CPU
`supervisor_status`    what the process that starts them says
`device_lock`          the lock of a GPU or the CPU that such a run holds
`file_lock`            locks that a process can inherit
`control`              ask a job to stop, and force it
`events`               the event log: one JSON line per event
`tail`                 read a growing file from an offset
`console`              sanitize the output of a job for a terminal
`state`                what the events of a run add up to
`reduce_events`        fold events into a `RunState`
`heartbeat`            keep `status.json` fresh and look for requests
`liveness`             whether the process of a run exists
`oom_killer`           whether the kernel killed a process because memory ran out
`summary`              one line about a run, for lists
`archive`              take a run out of the list, and bring it back
`remove`               delete a run, so that no half of it looks like one
`estimate_vs_measured` predicted and measured memory and step time
====================== ==================================================================
"""
