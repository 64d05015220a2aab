"""The changed rootfs comes in; kernel, initrd, squashfs and the live arguments go out.

Knows nothing of the medium they will be put on but its volume label.
"""
