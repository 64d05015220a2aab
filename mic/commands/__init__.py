"""The commands of `mic` itself, one a file, put together by `mic.cli`: options become requests, errors exit codes.

Know every room; no room knows of them.
"""
