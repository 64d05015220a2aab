"""A YAML or JSON file comes in; a checked `Config` goes out, or every error with its line and column.

Looks at the files that the configuration names. Knows nothing of the image or of what will be done to it.
"""

from mic.config.configuration import (
    AdditionalFile,
    Config,
    Disk,
    Iso,
    KernelCommandLine,
    Modules,
    Named,
    Packages,
    Partition,
    PartitionSetting,
    Script,
    Services,
    SystemConfig,
    User,
    Verity,
    VerityPartition,
)
from mic.config.disk_sections import (
    BootType,
    FsType,
    IdType,
    MountIdentifier,
    PartitionFlag,
    PartitionTableType,
)
from mic.config.load import Checked, check_config, load_config, load_config_for_iso
from mic.config.system_sections import SELinuxMode

__all__ = [
    "AdditionalFile",
    "BootType",
    "Checked",
    "Config",
    "Disk",
    "FsType",
    "IdType",
    "Iso",
    "KernelCommandLine",
    "Modules",
    "MountIdentifier",
    "Named",
    "Packages",
    "Partition",
    "PartitionFlag",
    "PartitionSetting",
    "PartitionTableType",
    "SELinuxMode",
    "Script",
    "Services",
    "SystemConfig",
    "User",
    "Verity",
    "VerityPartition",
    "check_config",
    "load_config",
    "load_config_for_iso",
]
