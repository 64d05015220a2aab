"""Kernel, initrd, squashfs, boot loaders and the user's files come in; the ISO goes out.

The ISO is written beside its final name and renamed when whole.
"""
