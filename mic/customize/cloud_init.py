"""Makes the image's cloud-init find the data that a ``ds=nocloud;s=file://...`` argument points to.

The argument reaches /proc/cmdline as the user wrote it. Two things that older versions of cloud-init do not
do are made up for inside the rootfs, each only where this image's cloud-init lacks it:

- a URL without a slash at its end: the base and "meta-data" are joined as they are (added in 23.1, see
  NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH in cloudinit/features.py). ``datasource: NoCloud: seedfrom``
  in cloud.cfg.d takes precedence over the kernel argument's.
- network-config from a seed URL (since 24.3, canonical/cloud-init#3307). A seed directory is read in full
  by every version, so a link makes one.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mic.kernel_arguments import KernelArguments
from mic.tree import Tree

SEED_LINK = PurePosixPath("/var/lib/cloud/seed/nocloud")
DROP_IN = PurePosixPath("/etc/cloud/cloud.cfg.d/95_mic_nocloud.cfg")
_NOCLOUD = re.compile(r"ds=nocloud(?:-net)?;(?:.*;)?(?:s|seedfrom)=file://([^;]*)")


def seed_directory(arguments: KernelArguments) -> PurePosixPath | None:
    """The directory that the last ``ds=nocloud;s=file://...`` argument means, as seen on the booted system.

    ``file://run/x`` and ``file://run/x/`` mean /run/x, as ``file:///run/x/`` does: the tool's users know
    the first form from its documentation, and cloud-init reads it relative to its working directory, /.
    """
    found = [match[1] for word in arguments.words if (match := _NOCLOUD.fullmatch(word))]
    return PurePosixPath("/", found[-1].strip("/")) if found else None


def apply(rootfs: Tree, arguments: KernelArguments) -> list[str]:
    """Adds what this image's cloud-init needs; returns a sentence for the user where something was added."""
    directory = seed_directory(arguments)
    sources = _sources(rootfs)
    if directory is None or sources is None:
        return []
    url = f"file://{directory}/"
    added = []
    if "NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH" not in sources and not _written_as(arguments, url):
        rootfs.write(DROP_IN, f"datasource:\n  NoCloud:\n    seedfrom: {url}\n".encode())
        added.append(f"{DROP_IN} (the URL without a slash at its end)")
    if "network-config" not in _body_of_read_seeded(sources) and not rootfs.exists(SEED_LINK):
        rootfs.symlink(SEED_LINK, str(directory))
        added.append(f"{SEED_LINK} -> {directory} (network-config)")
    if not added:
        return []
    return [f"this image's cloud-init would not take all data from {url}; added {' and '.join(added)}"]


def _written_as(arguments: KernelArguments, url: str) -> bool:
    return any(word.endswith(f"={url}") or f"={url};" in word for word in arguments.words)


def _sources(rootfs: Tree) -> str | None:
    """The text of cloud-init's util.py, or None where the image has no cloud-init."""
    for library in ("/usr/lib", "/usr/lib64"):
        for python in rootfs.list(library):
            if python.startswith("python3"):
                for packages in ("dist-packages", "site-packages"):
                    path = f"{library}/{python}/{packages}/cloudinit/util.py"
                    if rootfs.is_file(path):
                        return rootfs.read_text(path)
    return None


def _body_of_read_seeded(sources: str) -> str:
    found = re.search(r"^def read_seeded\(.*?(?=^def |\Z)", sources, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""
