"""The guest's serial line: read without a gap, logged in on, and used to run commands that cannot lie.

In comes a byte stream with kernel messages mixed in; out go matches, login results and confirmed command
results. Knows nothing of what is checked with them.
"""
