"""What the command line and the screens both do with a run.

Start, resume, retry, extend, follow and check it.
"""
