"""Which files the ``ds=nocloud`` kernel argument makes cloud-init read, as the booted machine sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.config import Config
from mic.errors import UserError
from verify.expectations.cloud_data import (
    MetaData,
    UserData,
    read_meta_data,
    read_user_data,
    static_addresses,
)
from verify.expectations.files import MEDIUM_MOUNT_POINT

# Read by every version of cloud-init when NoCloud is asked for without a seed URL.
_DEFAULT_DIRECTORIES = tuple(PurePosixPath("/var/lib/cloud/seed") / name for name in ("nocloud", "nocloud-net"))
_NOCLOUD = re.compile(r"(?:ci\.)?ds=nocloud(?:-net)?(?:;(.*))?")
NOCLOUD_NAMES = ("user-data", "meta-data", "network-config")


@dataclass(frozen=True)
class CloudSeed:
    """The data that the configuration gives cloud-init; None for a file that it does not bring.

    `source` names the kernel argument. `meta_data` has the argument's own ``i=`` and ``h=`` worked in, which
    win over the file's (DataSourceNoCloud.py merges the file into them).
    """

    source: str
    user_data: UserData | None
    meta_data: MetaData | None
    addresses: tuple[str, ...]


def seed_of(config: Config) -> CloudSeed | None:
    """The seed that the last ``ds=nocloud`` argument means; None where the configuration brings none.

    ``file://run/x`` means /run/x as ``file:///run/x/`` does: the ISO support document writes the first.
    Raises `UserError` when a source file cannot be read.
    """
    found = nocloud_settings(config.kernel_arguments.words)
    if found is None:
        return None
    argument, settings = found
    contents = _contents(config, seed_directories(settings.get("s") or settings.get("seedfrom")))
    if not contents and not {"i", "instance-id", "h", "local-hostname"} & settings.keys():
        return None
    meta_data = read_meta_data(contents.get("meta-data", b""))
    instance_id = settings.get("i") or settings.get("instance-id") or meta_data.instance_id
    local_hostname = settings.get("h") or settings.get("local-hostname") or meta_data.local_hostname
    return CloudSeed(
        f"the kernel argument {argument}",
        read_user_data(contents["user-data"]) if "user-data" in contents else None,
        MetaData(instance_id, local_hostname) if instance_id or local_hostname else None,
        static_addresses(contents["network-config"]) if "network-config" in contents else (),
    )


def nocloud_settings(arguments: tuple[str, ...]) -> tuple[str, dict[str, str]] | None:
    """The last ``ds=nocloud`` among kernel arguments and its settings; None where there is none."""
    found = [match for word in arguments if (match := _NOCLOUD.fullmatch(word))]
    if not found:
        return None
    parts = (part.partition("=") for part in (found[-1][1] or "").split(";"))
    return found[-1][0], {key: value for key, _, value in parts}


def seed_directories(url: str | None) -> tuple[PurePosixPath, ...]:
    """Where the seed lies that ``s=`` names, as the booted machine sees it; none for a seed on another machine."""
    if url is None:
        return _DEFAULT_DIRECTORIES
    scheme, separator, path = url.partition("://")
    if separator and scheme != "file":
        return ()
    return (PurePosixPath("/", (path if separator else url).strip("/")),)


def _contents(config: Config, directories: tuple[PurePosixPath, ...]) -> dict[str, bytes]:
    """The files of the first of `directories` that the configuration puts any into, by name."""
    on_machine: dict[PurePosixPath, Path] = {
        PurePosixPath("/", file.destination): file.source for file in config.system_config.additional_files
    }
    for file in config.iso.additional_files:
        on_machine[MEDIUM_MOUNT_POINT / str(file.destination).lstrip("/")] = file.source
    for directory in directories:
        found = {name: on_machine[directory / name] for name in NOCLOUD_NAMES if directory / name in on_machine}
        if found:
            return {name: _read(path) for name, path in found.items()}
    return {}


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise UserError(f"{source}: {error.strerror}") from error
