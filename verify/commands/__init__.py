"""The command line of the verification: one file per command, put together by `mic.cli`.

Arguments come in; exit codes go out. Whatever a command needs is imported when it runs, so that
`mic build` does not wait for it.
"""
