"""Customisations of a real image: a configuration goes in, what it did to the rootfs comes out."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mic import customize
from mic.config import load_config
from mic.customize import PackageSources
from mic.errors import UserError, UserErrors
from mic.image.layout import open_image
from mic.liveos import live_system
from mic.progress import Progress
from mic.rootfs.view import Rootfs, open_rootfs

Result = TypeVar("Result")
NO_SOURCES = PackageSources(base_image_repositories=False)
Isolated = Callable[[Callable[[Path], Result]], Result]


@dataclass(frozen=True)
class Outcome:
    """What was said, what a script of the image's own shell printed afterwards, and what was wrong."""

    errors: str
    said: str
    printed: str


def write_config(directory: Path, text: str, files: Mapping[str, str] | None = None) -> Path:
    """A configuration and the files it names; those that begin with #! are executable."""
    for name, content in (files or {}).items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(0o755 if content.startswith("#!") else 0o644)
    config = directory / "config.yaml"
    config.write_text(text)
    return config


def customised(
    image_file: Path,
    config_file: Path,
    workspace: Path,
    afterwards: str = "true",
    before: str = "true",
    sources: PackageSources = NO_SOURCES,
) -> Outcome:
    """Runs `before` in the image, then checks and, where nothing is wrong, applies; at last runs `afterwards`."""
    said = io.StringIO()
    with open_image(image_file, workspace) as image, open_rootfs(image, workspace) as rootfs:
        rootfs.sandbox.run("sh", "-ec", before)
        errors = carried_out(rootfs, config_file, workspace, Progress(said), sources)
        done = rootfs.sandbox.run("sh", "-c", afterwards, check=False)
    return Outcome(errors, said.getvalue(), done.text + done.stderr.decode())


def carried_out(
    rootfs: Rootfs, config_file: Path, workspace: Path, progress: Progress, sources: PackageSources = NO_SOURCES
) -> str:
    """Checks and applies, as mic build does; the errors as text, empty where there are none."""
    try:
        config = load_config(config_file)
        errors = [*customize.check(rootfs, config, sources), *live_system.check(config.system_config)]
        if errors:
            raise UserErrors(errors)
        customize.apply(rootfs, config, sources, workspace, progress)
    except UserError as error:
        return str(error)
    return ""
