"""Package changes tried out on a real image: what mic.customize.packages says, and what it leaves behind."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mic.config import load_config
from mic.customize import packages
from mic.customize.packages import PackageSources, find_manager
from mic.errors import UserError, UserErrors
from mic.image.layout import open_image
from mic.progress import Progress
from mic.rootfs.sandbox import Sandbox
from mic.rootfs.view import Rootfs, open_rootfs
from mic.tree import Tree


@dataclass(frozen=True)
class Outcome:
    """What became of it: `errors` as a user reads them, whether they came before anything was changed.

    `installed` are versions by name; `changed` and `removed` are the paths of files that the view has changed or
    added, and that it lacks; `contents` are those of all small files that it has changed or added.
    """

    errors: str
    known_early: bool
    installed: Mapping[str, str]
    said: str
    changed: frozenset[str]
    removed: frozenset[str]
    contents: Mapping[str, str]

    @property
    def stages(self) -> list[str]:
        return [line.partition(": done in")[0] for line in self.said.splitlines() if ": done in" in line]


def try_on_image(
    workspace: Path, image: Path, config: Path, sources: PackageSources, prepare: Callable[[Path], object]
) -> Outcome:
    """Opens the image, has `prepare` change the top of its view, then checks and applies the configuration."""
    with open_image(image, workspace) as layout, open_rootfs(layout, workspace) as rootfs:
        return _tried(rootfs, workspace, workspace / "image-root", config, sources, prepare)


def try_on_tree(
    workspace: Path, lower: Path, config: Path, sources: PackageSources, prepare: Callable[[Path], object]
) -> Outcome:
    """As `try_on_image`, on a root that is a directory."""
    from mic.mounts import mounted

    merged, scratch = workspace / "rootfs", workspace / "scratch"
    for directory in (merged, scratch, workspace / "changes", workspace / "changes-work"):
        directory.mkdir()
    scratch.chmod(0o1777)
    layers = f"lowerdir={lower},upperdir={workspace / 'changes'},workdir={workspace / 'changes-work'}"
    with mounted("-t", "overlay", "-o", layers, "overlay", merged):
        rootfs = Rootfs(Tree(merged), Sandbox(merged, scratch), 0)
        return _tried(rootfs, workspace, lower, config, sources, prepare)


def _tried(
    rootfs: Rootfs,
    workspace: Path,
    lower: Path,
    config_file: Path,
    sources: PackageSources,
    prepare: Callable[[Path], object],
) -> Outcome:
    prepare(rootfs.tree.top)
    config, said = load_config(config_file), io.StringIO()
    errors, known_early = "", False
    try:
        if found := packages.check(rootfs, config, sources):
            known_early = True
            raise UserErrors(found)
        packages.apply(rootfs, config, sources, workspace, Progress(said))
    except UserError as error:
        errors = str(error)
    manager = find_manager(rootfs.tree)
    installed = {} if manager is None else dict(manager.installed(rootfs))
    upper = workspace / "changes"
    paths = {f"/{path.relative_to(upper)}": path for path in upper.rglob("*") if path.is_symlink() or not path.is_dir()}
    removed = {name for name, path in paths.items() if path.is_char_device() and not path.is_symlink()}
    contents = {
        name: path.read_text(errors="replace")
        for name, path in paths.items()
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 100_000
    }
    added = {
        f"/{path.relative_to(upper)}/"
        for path in upper.rglob("*")
        if path.is_dir() and not os.path.lexists(lower / path.relative_to(upper))
    }
    changed = frozenset(paths.keys() - removed) | added
    return Outcome(errors, known_early, installed, said.getvalue(), changed, frozenset(removed), contents)
