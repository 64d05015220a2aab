"""What the contract knows and `mic build` cannot carry out yet. The table shrinks as the work goes on."""

from __future__ import annotations

_NOT_YET = "is valid, but mic build cannot carry it out yet"

# The key, what it becomes in the Config (a key that asks for nothing there is let through), and the reason.
UNSUPPORTED: tuple[tuple[str, str, str], ...] = (
    ("SystemConfig.KernelCommandLine.SELinux", "system_config.kernel_command_line.selinux", _NOT_YET),
    ("SystemConfig.PostInstallScripts", "system_config.post_install_scripts", _NOT_YET),
    ("SystemConfig.FinalizeImageScripts", "system_config.finalize_image_scripts", _NOT_YET),
    ("SystemConfig.Services.Enable", "system_config.services.enable", _NOT_YET),
    ("SystemConfig.Services.Disable", "system_config.services.disable", _NOT_YET),
    ("SystemConfig.Modules.Load", "system_config.modules.load", _NOT_YET),
    ("SystemConfig.Modules.Disable", "system_config.modules.disable", _NOT_YET),
)
