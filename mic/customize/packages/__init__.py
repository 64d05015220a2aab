"""Packages: removed, installed and updated by the image's own package manager, a transaction a step.

Comes in: the view, the configuration, the sources lent for this run. Goes out: the view, changed. Nothing is left in
it of what was lent: network, resolv.conf, repositories, lists, archives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mic.config import Config
from mic.customize.packages.apt import Apt, installed_packages
from mic.customize.packages.identity import forget_new_identity, identity_of
from mic.customize.packages.manager import PackageManager
from mic.customize.packages.plan import Action, Step, problem_of, steps_of
from mic.customize.packages.rpm import DNF, DNF5, TDNF
from mic.customize.packages.sources import PackageSources
from mic.customize.packages.transaction import Transactions, lend
from mic.errors import UserError, UserErrors
from mic.progress import Progress
from mic.rootfs.view import Rootfs
from mic.tree import Tree

__all__ = ["PackageSources", "apply", "check"]

_PROGRAM_DIRECTORIES = ("/usr/bin", "/bin", "/usr/sbin")
_SHOWN_NAMES = 12


def find_manager(rootfs: Tree) -> PackageManager | None:
    """The package manager that has the image's packages in its care, or None.

    apt-get where dpkg knows packages: other families package it too, as a tool.
    """
    if _has_program(rootfs, "apt-get") and installed_packages(rootfs):
        return Apt()
    return next((manager for manager in (TDNF, DNF, DNF5) if _has_program(rootfs, manager.program)), None)


def _has_program(rootfs: Tree, name: str) -> bool:
    return any(rootfs.is_file(f"{directory}/{name}") for directory in _PROGRAM_DIRECTORIES)


def check(rootfs: Rootfs, config: Config, sources: PackageSources) -> list[UserError]:
    """What is asked of packages and cannot be done in this image, as far as it can be known by looking."""
    steps = steps_of(config)
    if not steps:
        return []
    manager = find_manager(rootfs.tree)
    if manager is None:
        first = min(steps, key=lambda step: step.position)
        message = "the image has no package manager that mic knows"
        return [first.problem(message, "apt-get, tdnf, dnf and dnf5 are known")]
    return [
        *_unfit_names(manager, steps),
        *_missing(manager, rootfs, steps),
        *manager.check_sources(sources),
        *_without_sources(steps, sources),
    ]


def _unfit_names(manager: PackageManager, steps: tuple[Step, ...]) -> list[UserError]:
    named = ((package, manager.why_no_name(package.name)) for step in steps for package in step.packages)
    return [problem_of(package, f"{package.name!r} {reason}") for package, reason in named if reason is not None]


def _missing(manager: PackageManager, rootfs: Rootfs, steps: tuple[Step, ...]) -> list[UserError]:
    """Packages to remove, and to update where no step before brings any, that the image does not have."""
    brings = any(step.action in (Action.UPDATE_BASE_IMAGE, Action.INSTALL) for step in steps)
    looked_at = [
        step for step in steps if step.action is Action.REMOVE or (step.action is Action.UPDATE and not brings)
    ]
    return [error for step in looked_at for error in _not_installed(manager, rootfs, step)]


def _not_installed(manager: PackageManager, rootfs: Rootfs, step: Step) -> list[UserError]:
    missing = manager.not_installed(rootfs, [name for name in step.names if manager.why_no_name(name) is None])
    message = f"is not installed in the image and cannot be {step.action.participle}"
    return [problem_of(package, f"{package.name} {message}") for package in step.packages if package.name in missing]


def _without_sources(steps: tuple[Step, ...], sources: PackageSources) -> list[UserError]:
    fetching = next((step for step in steps if step.action.fetches), None)
    if fetching is None or sources.base_image_repositories or sources.rpm or sources.deb:
        return []
    hint = "give --rpm-source or --deb-source, too"
    return [fetching.problem("--disable-base-image-rpm-repos leaves no repository to take packages from", hint)]


def apply(rootfs: Rootfs, config: Config, sources: PackageSources, workspace: Path, progress: Progress) -> None:
    """Carries the steps out, lists first; raises `UserError` at the key of the step that failed."""
    steps = steps_of(config)
    manager = find_manager(rootfs.tree) if steps else None
    if manager is None:
        return
    transactions = Transactions(manager, rootfs, lend(manager, rootfs, sources, workspace / "packages"))
    identity = identity_of(rootfs.tree)
    fetching = [step for step in steps if step.action.fetches]
    if fetching:
        with progress.stage("packages: lists"):
            transactions.refresh(fetching[0])
            transactions.refuse_unknown(step for step in fetching if step.packages)
    for step in steps:
        before = manager.installed(rootfs)
        with progress.stage(step.title):
            if step.action is Action.UPDATE and (errors := _not_installed(manager, rootfs, step)):
                raise UserErrors(errors)
            transactions.carry_out(step)
        for line in _differences(before, manager.installed(rootfs)):
            progress.note(line)
    for warning in forget_new_identity(rootfs, identity):
        progress.warn(warning)


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What a transaction did, dependencies and all: a line each for what went, came and changed."""
    kinds = {
        "removed": [name for name in before if name not in after],
        "installed": [f"{name} {after[name]}" for name in after if name not in before],
        "updated": [f"{name} {after[name]}" for name in after if before.get(name, after[name]) != after[name]],
    }
    for kind, names in kinds.items():
        if names:
            shown = sorted(names)[:_SHOWN_NAMES]
            more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            yield f"{kind}: {', '.join(shown)}{more}"
