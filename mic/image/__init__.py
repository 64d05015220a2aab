"""A disk image file comes in; its partitions and file systems go out, and which one is the root.

Read-only, nothing is copied. Knows nothing of what will be done with the file systems.
"""
