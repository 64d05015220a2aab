"""Scenarios come in; cells that any machine can run by itself go out, and one report of what came of them all.

Knows `verify.run`, which runs a cell; the engine knows nothing of this.
"""
