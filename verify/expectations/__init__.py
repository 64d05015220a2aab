"""Configuration and medium facts in, a flat ordered list of expectations out.

Pure: knows no machine, no console and no check. An expectation says what must be true, which key of the
configuration asks for it, and what to look at; how to look is the room `verify.checks`.
"""
