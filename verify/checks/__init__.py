"""Expectations in, what was seen out: how each kind of subject is looked at, on the medium and in a machine.

A check returns what it saw in a few words, and raises `ProductFailure` when that is not what was asked for.
Knows a shell and a login only by their protocols, nothing of pytest or of how a machine is run.
"""
