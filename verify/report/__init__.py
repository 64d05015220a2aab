"""Events in, evidence out: a JSON file, one self-contained HTML page, a summary for the terminal.

Pure but for the files it reads and writes: knows nothing of pytest, QEMU or consoles.
"""
