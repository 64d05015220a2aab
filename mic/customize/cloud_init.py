"""Makes the image's cloud-init find the data that a ``ds=nocloud;s=file://...`` argument points to.

The argument reaches /proc/cmdline as the user wrote it. What cloud-init does not make of it is made up for
inside the rootfs, each only where it is needed:

- ``file://run/x``, the form of the tool's own documentation, names a host called "run" (RFC 8089): cloud-init
  22.4 takes it for a path relative to /, 25.1 for /x. ``datasource: NoCloud: seedfrom`` in cloud.cfg.d takes
  precedence over the kernel argument's (DataSourceNoCloud.py, 20.4 to 25.1) and says what is meant.
- A URL without a slash at its end: the base and "meta-data" are joined as they are before 23.1 (see
  NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH in cloudinit/features.py). The same setting helps.
- network-config is read from a seed URL since 24.3 only (canonical/cloud-init#3307). A seed directory is read
  in full by every version, so a link makes one.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mic.kernel_arguments import KernelArguments
from mic.tree import Tree

SEED_LINK = PurePosixPath("/var/lib/cloud/seed/nocloud")
DROP_IN = PurePosixPath("/etc/cloud/cloud.cfg.d/95_mic_nocloud.cfg")
_NOCLOUD = re.compile(r"ds=nocloud(?:-net)?;(?:.*;)?(?:s|seedfrom)=file://([^;]*)(?:;.*)?")


def seed_directory(arguments: KernelArguments) -> PurePosixPath | None:
    """The directory that the last ``ds=nocloud;s=file://...`` argument means, as seen on the booted system.

    ``file://run/x`` and ``file://run/x/`` mean /run/x, as ``file:///run/x/`` does.
    """
    path = _seed_path(arguments)
    return None if path is None else PurePosixPath("/", path.strip("/"))


def _seed_path(arguments: KernelArguments) -> str | None:
    """What follows file:// in the argument, as it is written."""
    found = [match[1] for word in arguments.words if (match := _NOCLOUD.fullmatch(word))]
    return found[-1] if found else None


def apply(rootfs: Tree, arguments: KernelArguments) -> list[str]:
    """Adds what this image's cloud-init needs; returns a sentence for the user where something was added."""
    path, directory, sources = _seed_path(arguments), seed_directory(arguments), _sources(rootfs)
    if path is None or directory is None or sources is None:
        return []
    added = []
    adds_slash = "NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH" in sources
    if not path.startswith("/") or not (path.endswith("/") or adds_slash):
        rootfs.write(DROP_IN, f"datasource:\n  NoCloud:\n    seedfrom: file://{directory}/\n".encode())
        added.append(f"{DROP_IN}, which says file://{directory}/")
    if "network-config" not in _body_of_read_seeded(sources) and not rootfs.exists(SEED_LINK):
        rootfs.symlink(SEED_LINK, str(directory))
        added.append(f"the link {SEED_LINK}, without which network-config is passed over")
    if not added:
        return []
    return [f"this image's cloud-init would not take its data from s=file://{path}; added {' and '.join(added)}"]


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
