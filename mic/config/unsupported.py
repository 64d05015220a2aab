"""What the contract knows and `mic build` cannot carry out yet. The table shrinks as the work goes on."""

from __future__ import annotations

from operator import attrgetter

from mic.config.configuration import Config
from mic.config.tree import problem_at
from mic.errors import UserErrors

_NOT_YET = "is valid, but mic build cannot carry it out yet"
_FOR_DISKS = "concerns disk outputs and does not apply to an ISO"

# The key, what it becomes in the Config (a key that asks for nothing there is let through), and the reason.
_UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    ("Disks", "disks", _FOR_DISKS),
    ("SystemConfig.BootType", "system_config.boot_type", _FOR_DISKS),
    ("SystemConfig.PartitionSettings", "system_config.partition_settings", _FOR_DISKS),
    ("SystemConfig.Verity", "system_config.verity", _FOR_DISKS),
    ("SystemConfig.UpdateBaseImagePackages", "system_config.packages.update_base_image", _NOT_YET),
    ("SystemConfig.PackagesInstall", "system_config.packages.install", _NOT_YET),
    ("SystemConfig.PackageListsInstall", "system_config.packages.install", _NOT_YET),
    ("SystemConfig.PackagesRemove", "system_config.packages.remove", _NOT_YET),
    ("SystemConfig.PackageListsRemove", "system_config.packages.remove", _NOT_YET),
    ("SystemConfig.PackagesUpdate", "system_config.packages.update", _NOT_YET),
    ("SystemConfig.PackageListsUpdate", "system_config.packages.update", _NOT_YET),
    ("SystemConfig.KernelCommandLine.SELinux", "system_config.kernel_command_line.selinux", _NOT_YET),
    ("SystemConfig.PostInstallScripts", "system_config.post_install_scripts", _NOT_YET),
    ("SystemConfig.FinalizeImageScripts", "system_config.finalize_image_scripts", _NOT_YET),
    ("SystemConfig.Services.Enable", "system_config.services.enable", _NOT_YET),
    ("SystemConfig.Services.Disable", "system_config.services.disable", _NOT_YET),
    ("SystemConfig.Modules.Load", "system_config.modules.load", _NOT_YET),
    ("SystemConfig.Modules.Disable", "system_config.modules.disable", _NOT_YET),
)


def refuse_unsupported(config: Config) -> None:
    """Raises `UserErrors` that name every key of `config` that would otherwise be passed over in silence."""
    unsupported = [
        (config.position_of(key), path, reason)
        for key, attribute, reason in _UNSUPPORTED
        if attrgetter(attribute)(config) and (path := config.written_path(key)) is not None
    ]
    if unsupported:
        raise UserErrors([problem_at(*found) for found in sorted(unsupported)])
