"""The kernel, its initrd, and whether the two and the rootfs belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.programs import require, run
from verify.audit.contents import opened
from verify.audit.drivers import KernelDrivers, audit_drivers
from verify.audit.facts import InitrdFacts, KernelFacts, UnreachableMachine
from verify.audit.initrd import InitrdContent, read_initrd
from verify.audit.kernel_image import KernelHeader, read_kernel_header
from verify.audit.ledger import EVERY_FIRMWARE, Ledger
from verify.audit.model import Aspect
from verify.audit.raw import RawMedium
from verify.grub_cfg import GrubCfg
from verify.medium import Medium, MediumFile
from verify.verdict import ProductFailure

_MODULE_FILE = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/.*/(?P<name>[^/]+)\.ko(?:\.(?:xz|zst|gz|lz4))?")
_MODULE_DIRECTORY = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)(?:/.*)?")
_DRACUT_VERSION = re.compile(r"(?:usr/)?lib/dracut/dracut-(?P<version>[^/]+)")
_SYNTAX_TIMEOUT_SECONDS = 30
_MODULE_LIST = "lib/dracut/modules.txt"
LIVE_SCRIPTS = ("sbin/dmsquash-live-root", "sbin/dmsquash-live-root.sh")


@dataclass(frozen=True)
class BootFiles:
    """The kernel and its initrds, as far as they can be read; `live_script` is dmsquash-live-root's text."""

    kernel: KernelFacts | None = None
    initrds: tuple[InitrdFacts, ...] = ()
    paths: frozenset[str] = frozenset()
    live_script: str | None = None


def audit_boot_files(raw: RawMedium, medium: Medium, ledger: Ledger) -> tuple[BootFiles, tuple[str, ...]]:
    """Reads the kernel and the initrds that grub.cfg names; also returns the kernel arguments."""
    aspect = Aspect.BOOT_FILES
    kernel, initrds, contents = None, list[InitrdFacts](), list[InitrdContent]()
    arguments: tuple[str, ...] = ()
    with ledger.judging(aspect, fatal_for=EVERY_FIRMWARE):
        cfg_path, cfg = medium.grub_cfg()
        _judge_syntax(cfg_path, medium.read(cfg_path), ledger)
        arguments = cfg.linux[1:]
        for path in _named(cfg, ledger):
            with ledger.judging(aspect, fatal_for=EVERY_FIRMWARE):
                file = _present(medium, raw, path)
                if path == cfg.linux[0]:
                    kernel = _read_kernel(raw, file, ledger)
                else:
                    content = read_initrd(opened(raw.file, file.offset, file.size))
                    contents.append(content)
                    initrds.append(_facts(file, content))
        shown = [f"{file.path} ({file.size} bytes)" for file in (*((kernel,) if kernel else ()), *initrds)]
        ledger.saw(aspect, ", ".join(shown))
    paths = frozenset[str]().union(*(content.paths for content in contents))
    scripts = [text for content in contents for path, text in content.texts.items() if path.endswith(LIVE_SCRIPTS)]
    return BootFiles(kernel, tuple(initrds), paths, scripts[0] if scripts else None), arguments


def _judge_syntax(path: PurePosixPath, text: bytes, ledger: Ledger) -> None:
    """By GRUB's own parser, which passes over a whole file for one mistake; `GrubCfg` reads on regardless."""
    require("grub-script-check")
    checked = run("grub-script-check", stdin=text, check=False, timeout=_SYNTAX_TIMEOUT_SECONDS)
    if checked.exit_code != 0:
        ledger.found(Aspect.BOOT_FILES, f"{path} has a syntax error: {checked.complaint}")


def _named(cfg: GrubCfg, ledger: Ledger) -> tuple[str, ...]:
    if not cfg.initrds:
        ledger.found(Aspect.BOOT_FILES, "grub.cfg names no initrd", EVERY_FIRMWARE)
    return (cfg.linux[0], *cfg.initrds)


def _present(medium: Medium, raw: RawMedium, name: str) -> MediumFile:
    """GRUB takes names without regard to its own ($root) prefix, which is this medium."""
    path = PurePosixPath("/", re.sub(r"^\(\$?[^)]*\)", "", name))
    file = medium.require(path)
    if file.size == 0:
        raise ProductFailure(f"{path} is empty")
    if file.offset + file.size > raw.size:
        raise ProductFailure(f"{path} reaches beyond the end of the medium")
    return file


def _read_kernel(raw: RawMedium, file: MediumFile, ledger: Ledger) -> KernelFacts:
    header: KernelHeader | None = read_kernel_header(raw.read(file.offset, file.size))
    if header is None:
        ledger.found(Aspect.BOOT_FILES, f"{file.path} is no x86 Linux kernel", EVERY_FIRMWARE)
    elif header.needed > file.size:
        text = f"{file.path} is cut short: {file.size} bytes, its header asks for {header.needed}"
        ledger.found(Aspect.BOOT_FILES, text, EVERY_FIRMWARE)
    return KernelFacts(str(file.path), file.size, None if header is None else header.version)


def _facts(file: MediumFile, content: InitrdContent) -> InitrdFacts:
    modules = [match for path in content.paths if (match := _MODULE_FILE.fullmatch(path))]
    directories = [match for path in content.paths if (match := _MODULE_DIRECTORY.fullmatch(path))]
    dracut = [match["version"] for path in content.paths if (match := _DRACUT_VERSION.fullmatch(path))]
    listed = next((text for path, text in content.texts.items() if path.endswith(_MODULE_LIST)), "")
    return InitrdFacts(
        path=str(file.path),
        size=file.size,
        archives=content.archives,
        dracut=dracut[0] if dracut else None,
        dracut_modules=tuple(listed.split()),
        kernel_versions=tuple(sorted({match["version"] for match in directories})),
        kernel_modules=tuple(sorted({_normal(match["name"]) for match in modules})),
    )


def audit_initrd_modules(files: BootFiles, ledger: Ledger) -> None:
    """dracut's own modules in the initrd, by its list and by the script that mounts the live root."""
    aspect = Aspect.INITRD_MODULES
    if not files.initrds:
        ledger.cannot_judge(aspect, "there is no initrd that can be read", Aspect.BOOT_FILES)
        return
    modules = [module for initrd in files.initrds for module in initrd.dracut_modules]
    if not modules:
        ledger.found(aspect, "the initrd has no list of dracut modules: it was not made by dracut")
    elif "dmsquash-live" not in modules:
        ledger.found(aspect, "the initrd lacks dracut's module dmsquash-live", EVERY_FIRMWARE)
    elif files.live_script is None:
        ledger.found(aspect, "the initrd lacks dmsquash-live-root, which mounts the live root", EVERY_FIRMWARE)
    ledger.saw(aspect, " ".join(modules))


def audit_kernel_matches(files: BootFiles, in_rootfs: tuple[str, ...] | None, ledger: Ledger) -> None:
    """The kernel's version has its modules in the initrd and in the rootfs (`in_rootfs`; None: unreadable)."""
    aspect = Aspect.KERNEL_MATCHES
    kernel = files.kernel
    if kernel is None or kernel.version is None:
        ledger.cannot_judge(aspect, "the kernel's version is not known", Aspect.BOOT_FILES)
        return
    if not files.initrds:
        ledger.cannot_judge(aspect, "there is no initrd that can be read", Aspect.BOOT_FILES)
        return
    in_initrd = tuple(dict.fromkeys(version for initrd in files.initrds for version in initrd.kernel_versions))
    if kernel.version not in in_initrd:
        seen = f"it has those of {', '.join(in_initrd)}" if in_initrd else "it has none"
        ledger.found(aspect, f"the initrd has no modules for the kernel {kernel.version}: {seen}", EVERY_FIRMWARE)
    if in_rootfs is None:
        ledger.cannot_judge(aspect, "the rootfs cannot be read", Aspect.SQUASHFS)
    elif kernel.version not in in_rootfs:
        seen = f"it has those of {', '.join(in_rootfs)}" if in_rootfs else "it has none"
        ledger.found(aspect, f"the rootfs has no modules for the kernel {kernel.version}: {seen}")
    ledger.saw(aspect, kernel.version)


def audit_initrd_drivers(
    files: BootFiles,
    modules: frozenset[str] | None,
    builtin: frozenset[str] | None,
    ledger: Ledger,
    *,
    rootfs_is_read: bool,
) -> tuple[UnreachableMachine, ...]:
    """Drivers in the initrd, or built into the kernel; `modules` and `builtin` are as for `KernelDrivers`.

    Returns the machines for which the kernel itself has no driver.
    """
    aspect = Aspect.INITRD_DRIVERS
    if not files.initrds:
        ledger.cannot_judge(aspect, "there is no initrd that can be read", Aspect.BOOT_FILES)
    elif files.kernel is None or files.kernel.version is None:
        ledger.cannot_judge(aspect, "the kernel's version is not known", Aspect.BOOT_FILES)
    elif not any(files.kernel.version in initrd.kernel_versions for initrd in files.initrds):
        ledger.cannot_judge(aspect, "the initrd's drivers are not this kernel's", Aspect.KERNEL_MATCHES)
    elif not rootfs_is_read:
        ledger.cannot_judge(aspect, "what is built into the kernel is not known", Aspect.SQUASHFS)
    else:
        in_initrd = frozenset(_normal(name) for name in _names_of(files.paths, files.kernel.version))
        return audit_drivers(KernelDrivers(in_initrd, modules, builtin), ledger)
    return ()


def _names_of(paths: frozenset[str], version: str) -> set[str]:
    matches = (_MODULE_FILE.fullmatch(path) for path in paths)
    return {match["name"] for match in matches if match and match["version"] == version}


def module_names(listing: str) -> frozenset[str]:
    """The names in modules.builtin or modules.dep, with underscores as the kernel writes them."""
    names = re.findall(r"^(?:\S*/)?([^/\s:]+?)\.ko(?:\.\w+)?(?::|$)", listing, re.MULTILINE)
    return frozenset(_normal(name) for name in names)


def _normal(name: str) -> str:
    return name.replace("-", "_")


def versions(entries: Mapping[PurePosixPath, object]) -> tuple[str, ...]:
    """The kernels that have a modules.dep in the rootfs."""
    parents = (PurePosixPath("/usr/lib/modules"), PurePosixPath("/lib/modules"))
    return tuple(
        sorted({path.parent.name for path in entries if path.name == "modules.dep" and path.parent.parent in parents})
    )
