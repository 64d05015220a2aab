"""The YAML parser's complaints in words that help.

Its own words are never passed on: they may quote the text, and the text may be a password that begins with
``*`` or ``%``.
"""

from __future__ import annotations

from mic.errors import SourcePosition

_QUOTE_IT = "quote the text if it is meant as it stands"

# The beginning of the problem, in libyaml's words and then in those of PyYAML's own parser: what is wrong, and
# what to do about it.
_EXPLANATIONS: tuple[tuple[str, str, str | None], ...] = (
    ("found undefined alias", "an alias (*) of an anchor (&) that is not defined before it", _QUOTE_IT),
    ("found duplicate anchor", "an anchor (&) that is defined before", None),
    ("found unknown escape character", "an unknown escape (\\) between double quotes", "single quotes take no escapes"),
    ("found invalid Unicode", "an escape (\\) that is no character", None),
    ("did not find expected hexdecimal", "an escape (\\) with too few hexadecimal digits", None),
    ("mapping values are not allowed", "a colon where no key can stand", "quote text that holds a colon and a space"),
    ("could not find expected ':'", "a key without a colon", "check the indentation and the quotes"),
    ("did not find expected ',' or '}'", "a } or a comma is missing", None),
    ("did not find expected ',' or ']'", "a ] or a comma is missing", None),
    ("did not find expected '-'", "a line that is not an item of the list it stands in", "check the indentation"),
    ("did not find expected key", "a line that is not a key of the map it stands in", "check the indentation"),
    ("did not find expected node content", "a value is missing", None),
    ("did not find expected <document start>", "nothing can stand here", "check the quotes and brackets before it"),
    ("found unexpected end of stream", "the file ends inside quotes", None),
    ("found unexpected document indicator", "--- or ... inside quotes", None),
    ("block sequence entries are not allowed", "a list item (-) cannot stand here", "begin a line with it"),
    ("block mapping keys are not allowed", "a key (?) cannot stand here", None),
    ("found undefined tag handle", "a tag that is not understood", "quote the text if it begins with !"),
    ("found a tab character", "a tab cannot indent", "use spaces"),
    ("expected ',' or '}'", "a } or a comma is missing", None),
    ("expected ',' or ']'", "a ] or a comma is missing", None),
    ("expected <block end>", "a line that does not belong where it stands", "check the indentation"),
    ("expected chomping or", "text after | or >", "begin it on the next line, or quote the whole"),
    ("did not find expected comment", "text after | or >", "begin it on the next line, or quote the whole"),
)


def explain(
    problem: str, character: str, where: SourcePosition, begun: SourcePosition | None
) -> tuple[str, str | None]:
    """The message and the hint for the parser's `problem`.

    `character` is the one at the place of the problem, `where` (empty at the end), `begun` where the value began
    that the parser was reading.
    """
    since = f", in what began in line {begun.line}" if begun is not None and begun.line < where.line else ""
    if problem.startswith(("found character that cannot start", "found character '")):
        if character == "\t":
            return "a tab cannot indent", "use spaces"
        return f"no value can begin with {character}", _QUOTE_IT
    for beginning, message, hint in _EXPLANATIONS:
        if problem.lower().startswith(beginning.lower()):
            return f"{message}{since}", hint
    return f"this is not YAML{since}", "check the indentation, quotes and brackets"
