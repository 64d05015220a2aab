"""How the harness gets its shell in a machine, by means that leave the medium alone.

Comes in: the users whose password is known, and what the rootfs and grub.cfg tell; goes out: the ways worth
trying, in their order, each with what it changes. Knows machines and consoles; judges nothing and reports nothing.
"""
