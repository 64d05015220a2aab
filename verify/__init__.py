"""Live medium in, evidence out.

Knows the medium and the configuration it was asked for; knows nothing of how the medium was made.
"""
