"""The queue of one machine: runs that wait for a GPU, or for the CPU where there is none.

`runs.queue` holds the entries. The supervisor, a process of its own that is started on demand,
starts each run once a device is free and has the memory that the run is estimated to need.
"""
