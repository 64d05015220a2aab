"""AdditionalFiles: which file goes where, with which permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from mic.config.fields import FilePermissions, SourceName, Text, entries, one_or_more, refuse
from mic.config.section import Section
from mic.errors import UserError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# NAME_MAX and PATH_MAX of linux/limits.h; the last byte of a path is NUL.
_LONGEST_NAME_BYTES = 255
_LONGEST_PATH_BYTES = 4095


def _destination(text: str) -> str:
    if not text:
        refuse("is empty")
    if not text.startswith("/"):
        refuse("must be an absolute path", "begin it with /")
    if ".." in text.split("/"):
        refuse("must not hold ..")
    if _CONTROL.search(text):
        refuse("holds a control character")
    if text.endswith(("/", "/.")):
        refuse("names a directory", "add the name of the file")
    if len(text.encode()) > _LONGEST_PATH_BYTES or any(
        len(name.encode()) > _LONGEST_NAME_BYTES for name in text.split("/")
    ):
        refuse("is too long for a path")
    return text


def normal_path(text: str) -> PurePosixPath:
    """The one spelling of an absolute path: ``//a/./b`` is ``/a/b``."""
    return PurePosixPath("/", *(name for name in text.split("/") if name not in ("", ".")))


class FileConfigSection(Section):
    """One destination of a file."""

    required = ("Path",)
    shorthand = "Path"

    path_in_target: Annotated[Text, AfterValidator(_destination)] | None = Field(
        None, alias="Path", description="Absolute path of the destination."
    )
    permissions: FilePermissions | None = Field(
        None, alias="Permissions", description="Octal permissions, at most 0777; the source file's if absent."
    )


FileConfigList = Annotated[
    tuple[FileConfigSection, ...],
    BeforeValidator(one_or_more, json_schema_input_type=str | FileConfigSection | list[str | FileConfigSection]),
]
AdditionalFiles = Annotated[dict[SourceName, FileConfigList], BeforeValidator(entries)]


def problems_of_destinations(files: AdditionalFiles) -> Iterator[UserError]:
    """Two files for one destination, however it is spelled, and a file where another needs a directory."""
    placed: dict[PurePosixPath, tuple[str, FileConfigSection]] = {}
    for source, destinations in files.items():
        for file in destinations:
            if file.path_in_target is None:
                continue
            path = normal_path(file.path_in_target)
            earlier, earlier_file = placed.setdefault(path, (source, file))
            if earlier_file is not file:
                where = earlier_file.position_of("Path")
                message = f"{source} and {earlier} (line {where.line}) both go to {path}"
                yield file.problem(message, at="Path", hint="give one of them another destination")
    for path, (source, file) in placed.items():
        for parent in path.parents:
            if parent in placed:
                where = placed[parent][1].position_of("Path")
                message = (
                    f"{source} needs {parent} to be a directory, but {placed[parent][0]} (line {where.line}) goes there"
                )
                yield file.problem(message, at="Path")
