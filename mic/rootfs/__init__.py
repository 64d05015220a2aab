"""Partitions come in; a writable view of the image's root goes out, and a sandbox to run its programs in.

The image below, an overlay above: the image is never written to. Knows nothing of what will be changed.
"""
