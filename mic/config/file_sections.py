"""AdditionalFiles: which file goes where, with which permissions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from mic.config.fields import FilePermissions, SourceName, Text, entries, has_control_character, one_or_more, refuse
from mic.config.section import Section
from mic.errors import UserError

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
    if has_control_character(text):
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
    """One destination of a file. A text alone is its `Path`, and a list gives one source several destinations.

    The source is a file below the directory of the configuration, or an absolute path. It has to exist and be a
    regular file. The copy belongs to root. Two files for one destination, and a file where another needs a
    directory, are errors. A symbolic link on the way to a destination in the rootfs is followed inside the rootfs,
    never outside it.
    """

    required = ("Path",)
    shorthand = "Path"

    path_in_target: Annotated[Text, AfterValidator(_destination)] | None = Field(
        None,
        alias="Path",
        description="Absolute path of the destination, with the name of the file. `..` is an error.",
        examples=["/etc/motd"],
    )
    permissions: FilePermissions | None = Field(
        None,
        alias="Permissions",
        description='Permissions as octal digits, quoted or not (`0644`, `644`, `"644"`), at most 0777. Without them '
        "the copy has the mode of the source file.",
        examples=["0644"],
    )


FileConfigList = Annotated[
    tuple[FileConfigSection, ...],
    BeforeValidator(one_or_more, json_schema_input_type=FileConfigSection | list[FileConfigSection]),
]
AdditionalFiles = Annotated[dict[SourceName, FileConfigList], BeforeValidator(entries)]


def _directories_above(path: str) -> Iterator[str]:
    """The directories that a file at the normal `path` needs, innermost first; not the root, which always is."""
    # Not PurePosixPath.parents: ten thousand files, twenty directories deep, would take a second.
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path


def problems_of_destinations(files: AdditionalFiles) -> Iterator[UserError]:
    """Two files for one destination, however it is spelled, and a file where another needs a directory."""
    placed: dict[str, tuple[str, FileConfigSection]] = {}
    for source, destinations in files.items():
        for file in destinations:
            if file.path_in_target is None:
                continue
            path = str(normal_path(file.path_in_target))
            earlier, earlier_file = placed.setdefault(path, (source, file))
            if earlier_file is not file:
                where = earlier_file.position_of("Path")
                message = f"{source} and {earlier} (line {where.line}) both go to {path}"
                yield file.problem(message, at="Path", hint="give one of them another destination")
    for path, (source, file) in placed.items():
        for parent in _directories_above(path):
            if parent in placed:
                where = placed[parent][1].position_of("Path")
                message = (
                    f"{source} needs {parent} to be a directory, but {placed[parent][0]} (line {where.line}) goes there"
                )
                yield file.problem(message, at="Path")
