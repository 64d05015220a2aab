"""The main line of an audit: from what firmware sees to what the booted system would."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from verify.audit.boot_configuration import audit_live_arguments, audit_volume_label, read_grub_cfgs
from verify.audit.checksum import Checksums, audit_checksums
from verify.audit.cloud_init import audit_cloud_init
from verify.audit.efi_image import audit_efi_image
from verify.audit.el_torito import audit_boot_catalogue, audit_boot_info_table
from verify.audit.facts import BootFacts, GrubCfgFacts, LiveSystemFacts, UnreachableMachine
from verify.audit.kernel import (
    BootFiles,
    audit_boot_files,
    audit_initrd_drivers,
    audit_initrd_modules,
    audit_kernel_matches,
    module_names,
    versions,
)
from verify.audit.ledger import Ledger
from verify.audit.model import Aspect, Audit
from verify.audit.partition_tables import audit_partition_tables
from verify.audit.raw import RawMedium
from verify.audit.rootfs import RootfsAudit, audit_rootfs
from verify.medium import Medium, open_medium
from verify.squashfs import RootfsOnMedium

# An image of the rootfs inside the squashfs, as Fedora's live media long had it: no overlayfs is needed then.
_ROOTFS_IMAGES = ("/LiveOS/rootfs.img", "/LiveOS/ext3fs.img")


def audit_medium(path: Path) -> Audit:
    """Reads any ISO without booting it. Raises `UserError` when the file is missing or is no ISO."""
    begun = time.monotonic()
    ledger = Ledger()
    with open_medium(path) as medium, path.open("rb") as file:
        raw = RawMedium(path, file, path.stat().st_size)
        checksums = audit_checksums(raw, ledger)
        boot, live = _audited(raw, medium, checksums, ledger)
        label = medium.label
    return Audit(
        medium=path,
        size=raw.size,
        sha256=checksums.sha256,
        volume_label=label,
        boot=boot,
        live=live,
        seen=tuple(ledger.seen),
        findings=tuple(ledger.findings),
        unjudged=tuple(ledger.unjudged),
        seconds=time.monotonic() - begun,
    )


def _audited(raw: RawMedium, medium: Medium, checksums: Checksums, ledger: Ledger) -> tuple[BootFacts, LiveSystemFacts]:
    el_torito = audit_boot_catalogue(raw, ledger)
    boot_info_table = audit_boot_info_table(raw, el_torito, ledger)
    tables = audit_partition_tables(raw, el_torito, ledger)
    efi = audit_efi_image(raw, medium, el_torito, ledger)
    cfgs: tuple[GrubCfgFacts, ...] = ()
    with ledger.judging(Aspect.VOLUME_LABEL):
        cfgs = read_grub_cfgs(medium, efi.grub_cfgs)
    files, arguments = audit_boot_files(raw, medium, ledger)
    audit_volume_label(medium.label, cfgs, arguments, ledger)
    audit_initrd_modules(files, ledger)
    found = audit_rootfs(raw, medium, arguments, ledger)
    kernels = _audit_kernel(files, found, ledger)
    bare = found.rootfs is not None and not any(PurePosixPath(p) in found.rootfs.entries for p in _ROOTFS_IMAGES)
    audit_live_arguments(arguments, files.live_script, bare, ledger)
    cloud_init = audit_cloud_init(medium, found.rootfs, arguments, ledger)
    boot = BootFacts(
        el_torito=el_torito,
        boot_info_table=boot_info_table,
        mbr_boot_code=tables.boot_code,
        partitions=tables.partitions,
        efi_files=efi.files,
        grub_cfgs=cfgs,
        checksum=checksums.implanted,
    )
    live = LiveSystemFacts(
        kernel=files.kernel,
        kernel_arguments=arguments,
        initrds=files.initrds,
        squashfs=found.squashfs,
        operating_system=found.operating_system,
        kernel_versions_in_rootfs=kernels.versions,
        unreachable=kernels.unreachable,
        accounts=found.accounts,
        access=found.access,
        fstab=found.fstab,
        machine_id=found.machine_id,
        ssh_host_keys=found.ssh_host_keys,
        package_database=found.package_database,
        cloud_init=cloud_init.version,
        cloud_init_files=cloud_init.files,
    )
    return boot, live


@dataclass(frozen=True)
class _Kernels:
    """The versions that the rootfs has modules of, and the machines for which the booted one has no driver."""

    versions: tuple[str, ...]
    unreachable: tuple[UnreachableMachine, ...]


def _audit_kernel(files: BootFiles, found: RootfsAudit, ledger: Ledger) -> _Kernels:
    """The kernel against initrd and rootfs."""
    rootfs = found.rootfs
    kernels = None if rootfs is None else versions(rootfs.entries)
    audit_kernel_matches(files, kernels, ledger)
    version = files.kernel.version if files.kernel else None
    modules = builtin = None
    if rootfs is not None and version is not None:
        modules, builtin = (_module_list(rootfs, version, name) for name in ("modules.dep", "modules.builtin"))
    unreachable = audit_initrd_drivers(files, modules, builtin, ledger, rootfs_is_read=rootfs is not None)
    return _Kernels(kernels or (), unreachable)


def _module_list(rootfs: RootfsOnMedium, version: str, name: str) -> frozenset[str] | None:
    """The modules that a list of the kernel's names; None where the rootfs has no such list."""
    path = PurePosixPath("/lib/modules", version, name)
    if rootfs.find(path) is None:
        return None
    return module_names(rootfs.read(path).decode(errors="replace"))
