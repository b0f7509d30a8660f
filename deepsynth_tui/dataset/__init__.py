"""Documents become pages, pages become a dataset.

Three rooms: `reading` (documents, and what of them is drawn), `drawing` (pages), `writing` (shards,
by several processes, that are counted, kept and put together). `pipeline` is the whole, `watch` how
far it is, `job` the whole as a process, `preflight` what is wrong before it begins.
"""
