"""An audit for people: on a terminal and in a log alike."""

from __future__ import annotations

from collections.abc import Iterator

from verify.audit.facts import BootFacts, LiveSystemFacts
from verify.audit.model import Audit
from verify.audit.partition_tables import ESP_GUID

_INDENT = 20
_MIB = 1 << 20
_SYSTEM_UIDS_BELOW = 1000


def as_text(audit: Audit) -> str:
    """One fact a line, findings at the end."""
    facts = [("medium", f"{audit.medium}, {_size(audit.size)}"), ("volume label", audit.volume_label or "none")]
    facts += [*_boot(audit.boot), *_live(audit.live)]
    lines = [f"{name:<{_INDENT}}{text}" for name, text in facts]
    lines += ["", *_findings(audit), f"read in {audit.seconds:.1f} s"]
    return "\n".join(lines) + "\n"


def _boot(boot: BootFacts) -> Iterator[tuple[str, str]]:
    for entry in boot.el_torito:
        bootable = "" if entry.bootable else ", not bootable"
        yield "El Torito", f"{entry.platform}, sector {entry.lba}, loads {entry.load_sectors} sectors{bootable}"
    if not boot.el_torito:
        yield "El Torito", "none"
    if (table := boot.boot_info_table) is not None:
        yield "boot info table", f"image of {table.file_bytes} bytes at sector {table.file_lba}"
    yield "MBR", "boot code" if boot.mbr_boot_code else "no boot code"
    for partition in boot.partitions:
        kind = "EFI system partition" if partition.kind == ESP_GUID else partition.kind
        name = f" {partition.name}" if partition.name else ""
        last = partition.start + partition.sectors - 1
        yield f"{partition.table.upper()} {partition.number}", f"sectors {partition.start} to {last}, {kind}{name}"
    for file in boot.efi_files:
        machine = f", {file.machine}" if file.machine else ""
        yield "EFI image", f"{file.path}, {file.size} bytes{machine}"
    for cfg in boot.grub_cfgs:
        yield "grub.cfg", f"{cfg.place}, searches {', '.join(cfg.searched) or 'no label'}"
    yield "checksum", f"MD5 {boot.checksum}" if boot.checksum else "none implanted, so not checked"


def _live(live: LiveSystemFacts) -> Iterator[tuple[str, str]]:
    if live.kernel is not None:
        yield "kernel", f"{live.kernel.version or 'unknown version'}, {live.kernel.path}, {_size(live.kernel.size)}"
    yield "kernel arguments", " ".join(live.kernel_arguments) or "none"
    for initrd in live.initrds:
        yield "initrd", f"{initrd.path}, {_size(initrd.size)}, {' + '.join(initrd.archives)}"
        yield "  dracut", f"{initrd.dracut or 'none'}; modules: {' '.join(initrd.dracut_modules) or 'none'}"
        kernels = ", ".join(initrd.kernel_versions) or "no kernel"
        yield "  drivers", f"{len(initrd.kernel_modules)} modules of {kernels}"
    if (squashfs := live.squashfs) is not None:
        size = f"{_size(squashfs.size)}, {squashfs.compression}"
        yield "squashfs", f"{squashfs.path}, {size}, {squashfs.entries} entries"
        yield "system", live.operating_system or "unknown"
        yield "kernels in rootfs", ", ".join(live.kernel_versions_in_rootfs) or "none"
        for machine in live.unreachable:
            yield "no boot from", f"{machine.name}: the kernel was made without {', '.join(machine.drivers)}"
        yield "/etc/fstab", live.fstab or "absent"
        yield "machine-id", live.machine_id or "unknown"
        yield "ssh host keys", ", ".join(live.ssh_host_keys) or "none"
        yield "packages", f"by {live.package_database.value}" if live.package_database else "no database"
        yield from _accounts(live)
    if live.cloud_init is not None:
        yield "cloud-init", live.cloud_init
    for file in live.cloud_init_files:
        yield "cloud-init data", f"{file.place}, {file.size} bytes, {file.kind}"


def _accounts(live: LiveSystemFacts) -> Iterator[tuple[str, str]]:
    """root, people, and whoever could log in by password; the rest in one number."""
    others = 0
    for account in live.accounts:
        if account.uid == 0 or _SYSTEM_UIDS_BELOW <= account.uid < 65534 or account.password in ("set", "empty"):
            yield (
                "user",
                f"{account.name}, UID {account.uid}, {account.shell or '/bin/sh'}, password {account.password}",
            )
        else:
            others += 1
    if others:
        yield "", f"and {others} system users without a password"


def _findings(audit: Audit) -> Iterator[str]:
    if not audit.findings and not audit.unjudged:
        yield "findings            none"
    for finding in audit.findings:
        fatal = ", ".join(sorted(firmware.value.upper() for firmware in finding.fatal_for))
        stops = f" (cannot boot under {fatal})" if fatal else ""
        yield f"finding             {finding.aspect}: {finding.text}{stops}"
    for unjudged in audit.unjudged:
        yield f"not judged          {unjudged.aspect}: {unjudged.reason}"


def _size(count: int) -> str:
    return f"{count / _MIB:.1f} MiB" if count >= _MIB else f"{count} bytes"
