"""Disk image in, live ISO out.

The rooms below know nothing of ``verify``; only the command line joins the two.
"""
