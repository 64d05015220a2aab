"""The files that a configuration names: found, checked and read, each once, with what is wrong collected."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr, TypeAdapter

from mic.config.config_section import ConfigSection
from mic.config.configuration import Named
from mic.config.section import Section
from mic.config.source import read_source
from mic.config.system_sections import PackageListSection, ScriptSection, SystemConfigSection
from mic.config.tree import Mapping, Scalar, Sequence, problem_at
from mic.config.user_section import UserSection, wrong_password, wrong_public_key
from mic.config.validation import validate
from mic.config.yaml_reader import MAX_VALUES, read_document
from mic.errors import SourcePosition, UserError, UserErrors

_MOST_PASSWORD_BYTES = 4 << 10
# Nobody has a megabyte of keys.
_MOST_BYTES_READ = 1 << 20
_MOST_BYTES_READ_TOGETHER = 2 << 20
# A list that is named ten thousand times must not become a list of 200 million packages.
_MOST_VALUES_READ = MAX_VALUES
_PACKAGE_LISTS = ("PackageListsInstall", "PackageListsRemove", "PackageListsUpdate")


@dataclass(frozen=True)
class FoundFile:
    """A regular file; `mode` are its permission bits, `size` is in bytes."""

    path: Path
    mode: int
    size: int


@dataclass
class FilesOnDisk:
    """What was found; `directory` is absolute, paths are relative to it.

    Sources are by the path of the section with AdditionalFiles and their text in it, the others by key path.
    """

    directory: Path
    errors: list[UserError] = field(default_factory=list)
    sources: dict[tuple[str, str], FoundFile] = field(default_factory=dict)
    scripts: dict[str, FoundFile] = field(default_factory=dict)
    passwords: dict[str, SecretStr] = field(default_factory=dict)
    public_keys: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    package_lists: dict[str, tuple[Named, ...]] = field(default_factory=dict)
    _keys: dict[Path, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _lists: dict[Path, tuple[Named, ...]] = field(default_factory=dict)
    _bytes_read: int = 0
    _values_read: int = 0

    def look_for_all(self, config: ConfigSection) -> None:
        """Looks for every file that `config` names, also beside values that are wrong."""
        for section in config.sections():
            if section.value("AdditionalFiles") is not None:
                self._look_for_sources(section)
            if isinstance(section, SystemConfigSection):
                self._read_package_lists(section)
            elif isinstance(section, ScriptSection):
                self._look_for_script(section)
            elif isinstance(section, UserSection):
                self._read_password(section)
                self._read_public_keys(section)

    def _look_for_sources(self, section: Section) -> None:
        files = section.value("AdditionalFiles")
        if not isinstance(files, Mapping):
            return
        # Not the model's files: those whose destination is wrong are no longer in it.
        for key, position in files.key_positions.items():
            path = files.child_path(key)
            if key.strip() and (found := self._found(key, position, path)) is not None:
                self.sources[section.path, key] = found

    def _look_for_script(self, script: ScriptSection) -> None:
        if not script.script:
            return
        position, path = script.position_of("Path"), script.path_of("Path")
        if (found := self._found(script.script, position, path)) is None:
            return
        if not found.path.resolve().is_relative_to(self.directory.resolve()):
            self._complain(position, path, f"is outside {self.directory}, the directory of the configuration")
        elif not os.access(found.path, os.X_OK):
            self._complain(position, path, "is not executable", f"chmod +x {found.path}")
        else:
            self.scripts[script.path] = found

    def _read_password(self, user: UserSection) -> None:
        if not user.password_path:
            return
        position, path = user.position_of("PasswordPath"), user.path_of("PasswordPath")
        if (found := self._found(user.password_path, position, path, shown=False)) is None:
            return
        if (text := self._text_of(found, position, path, _MOST_PASSWORD_BYTES)) is None:
            return
        password = text.removesuffix("\n").removesuffix("\r")
        wrong = wrong_password(password, hashed=user.password_hashed) if user.is_whole("PasswordHashed") else None
        if wrong is not None:
            self._complain(position, path, f"the password in the file {wrong}")
        self.passwords[user.path] = SecretStr(password)

    def _read_public_keys(self, user: UserSection) -> None:
        for value in _items(user, "SSHPubKeyPaths"):
            if not value.text.strip():
                continue
            if (found := self._found(value.text, value.position, value.path, shown=False)) is None:
                continue
            if found.path not in self._keys:
                self._keys[found.path] = self._keys_in(found, value)
            if self._is_in_bounds(len(self._keys[found.path]), value):
                self.public_keys[value.path] = self._keys[found.path]

    def _keys_in(self, found: FoundFile, value: Scalar) -> tuple[str, ...]:
        """The lines of the file that `value` names; what is wrong with them is told where it is named first."""
        text = self._text_of(found, value.position, value.path, _MOST_BYTES_READ)
        if text is None:
            return ()
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not lines:
            self._complain(value.position, value.path, "the file is empty")
        # A private key has many lines, of which the first says what it is.
        wrong = next((wrong for line in lines if (wrong := wrong_public_key(line)) is not None), None)
        if wrong is not None:
            self._complain(value.position, value.path, f"a line of the file {wrong}")
        return lines

    def _read_package_lists(self, system: SystemConfigSection) -> None:
        for key in _PACKAGE_LISTS:
            for value in _items(system, key):
                if not value.text.strip() or (found := self._found(value.text, value.position, value.path)) is None:
                    continue
                if found.path not in self._lists:
                    self._lists[found.path] = self._packages_of(found, value)
                if self._is_in_bounds(len(self._lists[found.path]), value):
                    self.package_lists[value.path] = self._lists[found.path]

    def _packages_of(self, found: FoundFile, value: Scalar) -> tuple[Named, ...]:
        """The packages of the list that `value` names; what is wrong with it is told where it is named first."""
        if not self._may_be_read(found, value.position, value.path, _MOST_BYTES_READ):
            return ()
        try:
            return _packages_in(found.path)
        except UserErrors as errors:
            self.errors += errors.errors
        except UserError as error:
            if isinstance(error.where, SourcePosition):
                self.errors.append(error)
            else:
                self._complain(value.position, value.path, f"{value.text}: {error.message}", error.hint)
        return ()

    def _is_in_bounds(self, count: int, value: Scalar) -> bool:
        """Counts what was read by the file that `value` names; an error once that is too much."""
        was_in_bounds = self._values_read <= _MOST_VALUES_READ
        self._values_read += count
        if self._values_read > _MOST_VALUES_READ:
            if was_in_bounds:
                message = f"the files named up to here hold more than {_MOST_VALUES_READ} packages and keys together"
                self._complain(value.position, value.path, message)
            return False
        return True

    def _may_be_read(self, found: FoundFile, position: SourcePosition, path: str, most_bytes: int) -> bool:
        """Counts the bytes, at most `most_bytes`, of a file to read; an error once they are too many."""
        was_in_bounds = self._bytes_read <= _MOST_BYTES_READ_TOGETHER
        self._bytes_read += min(found.size, most_bytes)
        if self._bytes_read > _MOST_BYTES_READ_TOGETHER:
            if was_in_bounds:
                message = f"the files to read up to here hold more than {_MOST_BYTES_READ_TOGETHER >> 20} MiB together"
                self._complain(position, path, message)
            return False
        return True

    def _found(self, text: str, position: SourcePosition, path: str, *, shown: bool = True) -> FoundFile | None:
        """The regular, readable file that `text` names. `shown`: the error may show what was looked for."""
        subject = f"{text}: " if shown and not path.endswith((f'["{text}"]', f".{text}")) else ""
        try:
            file = self.directory / text
            status = file.stat()
        except FileNotFoundError:
            self._complain(position, path, f"{subject}no such file", f"paths are relative to {self.directory}")
            return None
        except ValueError:
            # A NUL in the name; the models refuse it.
            return None
        except OSError as error:
            self._complain(position, path, f"{subject}{(error.strerror or 'error').lower()}")
            return None
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a special file"
            self._complain(position, path, f"{subject}is {kind}, not a regular file")
        elif not os.access(file, os.R_OK):
            self._complain(position, path, f"{subject}cannot be read: permission denied")
        else:
            return FoundFile(file, stat.S_IMODE(status.st_mode), status.st_size)
        return None

    def _text_of(self, found: FoundFile, position: SourcePosition, path: str, most_bytes: int) -> str | None:
        """What the file holds; neither that nor its name is shown in errors, for either may be a secret."""
        if not self._may_be_read(found, position, path, most_bytes):
            return None
        try:
            with found.path.open("rb") as stream:
                data = stream.read(most_bytes + 1)
        except OSError as error:
            self._complain(position, path, f"the file cannot be read: {(error.strerror or 'error').lower()}")
            return None
        if len(data) > most_bytes:
            self._complain(position, path, f"the file is larger than {most_bytes >> 10} KiB")
            return None
        try:
            return data.decode()
        except UnicodeDecodeError:
            self._complain(position, path, "the file is not UTF-8 text")
            return None

    def _complain(self, position: SourcePosition, path: str, message: str, hint: str | None = None) -> None:
        self.errors.append(problem_at(position, path, message, hint))


def _items(section: Section, key: str) -> Iterator[Scalar]:
    """The texts of the list at `key`."""
    values = section.value(key)
    if isinstance(values, Sequence):
        yield from (item for item in values.items if isinstance(item, Scalar))


def _packages_in(file: Path) -> tuple[Named, ...]:
    """The packages of a package list; raises `UserError` with places in that list."""
    document = read_document(read_source(file))
    validated = validate(document.root, TypeAdapter(PackageListSection))
    if errors := (*document.errors, *validated.errors):
        raise UserErrors(errors)
    assert validated.model is not None
    return named(validated.model, "Packages")


def named(section: Section, key: str) -> tuple[Named, ...]:
    """The texts of the list at `key`, each with its place."""
    return tuple(Named(item.text, item.position, item.path) for item in _items(section, key))
