"""cloud-init's data, where the kernel arguments say that it lies, judged as the image's own cloud-init would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.audit.cloud_schema import Validity, judge_meta_data, judge_network_config, judge_user_data
from verify.audit.facts import CloudInitFile
from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.expectations.cloud_seed import NOCLOUD_NAMES, nocloud_settings, seed_directories
from verify.expectations.files import MEDIUM_MOUNT_POINT
from verify.medium import Medium
from verify.squashfs import RootfsOnMedium

_ASPECTS = {
    "user-data": Aspect.CLOUD_USER_DATA,
    "meta-data": Aspect.CLOUD_META_DATA,
    "network-config": Aspect.CLOUD_NETWORK_CONFIG,
}
# A seed without one of these is none (DataSourceNoCloud.py; util.read_seeded).
_NEEDED = ("user-data", "meta-data")
_CLOUD_CONFIG_SCHEMAS = ("schema-cloud-config-v1.json", "cloud-init-schema.json")
_NETWORK_SCHEMAS = {1: "schema-network-config-v1.json", 2: "schema-network-config-v2.json"}
_LONGEST_BYTES = 16 << 20


@dataclass(frozen=True)
class CloudInitAudit:
    """cloud-init's version in the rootfs, None where there is none, and the files of its seed."""

    version: str | None = None
    files: tuple[CloudInitFile, ...] = ()


@dataclass(frozen=True)
class _Place:
    """A directory as the booted machine sees it, read on the medium or in the rootfs."""

    directory: PurePosixPath
    medium: Medium
    rootfs: RootfsOnMedium | None

    @property
    def on_medium(self) -> bool:
        return self.directory.is_relative_to(MEDIUM_MOUNT_POINT)

    @property
    def readable(self) -> bool:
        return self.on_medium or self.rootfs is not None

    def read(self, name: str) -> bytes | None:
        """The content of a file, None where there is none; no more than a few MiB of it."""
        path = self.directory / name
        if self.on_medium:
            there = PurePosixPath("/", path.relative_to(MEDIUM_MOUNT_POINT))
            return None if self.medium.find(there) is None else self.medium.read(there)[:_LONGEST_BYTES]
        if self.rootfs is None or (found := self.rootfs.find(path)) is None or found[1].kind != "-":
            return None
        return self.rootfs.read(path)[:_LONGEST_BYTES]


def audit_cloud_init(
    medium: Medium, rootfs: RootfsOnMedium | None, arguments: tuple[str, ...], ledger: Ledger
) -> CloudInitAudit:
    """Judges each file of the seed that the last ``ds=nocloud`` argument means.

    Nothing is judged without that argument, for a seed on another machine, and for one that may come on a
    second disk: a default directory that is not there.
    """
    version = None
    with ledger.judging(*_ASPECTS.values()):
        version = _version(rootfs)
    found = nocloud_settings(arguments)
    if found is None:
        return CloudInitAudit(version)
    url = found[1].get("s") or found[1].get("seedfrom")
    places = [_Place(directory, medium, rootfs) for directory in seed_directories(url)]
    for place in places:
        if not place.readable:
            for name in _NEEDED:
                ledger.cannot_judge(_ASPECTS[name], "the rootfs cannot be read", Aspect.SQUASHFS)
            return CloudInitAudit(version)
        files = tuple(_audit_seed(place, rootfs, ledger, must_be_there=url is not None))
        if files:
            return CloudInitAudit(version, files)
    return CloudInitAudit(version)


def _audit_seed(
    place: _Place, rootfs: RootfsOnMedium | None, ledger: Ledger, *, must_be_there: bool
) -> list[CloudInitFile]:
    files: list[CloudInitFile] = []
    with ledger.judging(*_ASPECTS.values()):
        contents = {name: content for name in NOCLOUD_NAMES if (content := place.read(name)) is not None}
        if not contents and not must_be_there:
            return []
        for name in _NEEDED:
            if name not in contents:
                text = f"the kernel arguments point to {place.directory}, which has no {name}: cloud-init takes nothing"
                ledger.found(_ASPECTS[name], text)
        for name, content in contents.items():
            with ledger.judging(_ASPECTS[name]):
                files.append(_audit_file(name, place, content, rootfs, ledger))
    return files


def _audit_file(
    name: str, place: _Place, content: bytes, rootfs: RootfsOnMedium | None, ledger: Ledger
) -> CloudInitFile:
    path, aspect = place.directory / name, _ASPECTS[name]
    validity = _validity(name, content, rootfs)
    for complaint in validity.complaints:
        ledger.found(aspect, f"{path}: {complaint}")
    ledger.saw(aspect, f"{path}: {validity.kind}, judged by {validity.by}")
    return CloudInitFile(name, str(path), len(content), validity.kind)


def _validity(name: str, content: bytes, rootfs: RootfsOnMedium | None) -> Validity:
    if name == "meta-data":
        return judge_meta_data(content)
    if name == "user-data":
        return judge_user_data(content, _schema(rootfs, *_CLOUD_CONFIG_SCHEMAS))
    schemas = {version: schema for version, file in _NETWORK_SCHEMAS.items() if (schema := _schema(rootfs, file))}
    if _has_netplan(rootfs):
        # Then cloud-init asks netplan, which knows more keys than this schema (cloudinit/config/schema.py).
        schemas.pop(2, None)
    return judge_network_config(content, schemas)


def _schema(rootfs: RootfsOnMedium | None, *names: str) -> bytes | None:
    for name in names:
        path = _of_cloud_init(rootfs, f"config/schemas/{name}") or _of_cloud_init(rootfs, f"config/{name}")
        if rootfs is not None and path is not None:
            return rootfs.read(path)
    return None


def _version(rootfs: RootfsOnMedium | None) -> str | None:
    path = _of_cloud_init(rootfs, "version.py")
    if rootfs is None or path is None:
        return None
    match = re.search(r'^__VERSION__ = "([^"]+)"', rootfs.read(path).decode(errors="replace"), re.MULTILINE)
    return match[1] if match else "unknown version"


def _of_cloud_init(rootfs: RootfsOnMedium | None, name: str) -> PurePosixPath | None:
    end = tuple(f"cloudinit/{name}".split("/"))
    entries = () if rootfs is None else rootfs.entries
    return next((path for path in entries if path.parts[-len(end) :] == end), None)


def _has_netplan(rootfs: RootfsOnMedium | None) -> bool:
    return rootfs is not None and any(path.parts[-2:] == ("netplan", "__init__.py") for path in rootfs.entries)
