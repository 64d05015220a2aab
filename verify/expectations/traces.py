"""What the tool itself leaves in the rootfs: the release file; and what it must not leave: the scripts' directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.config import Config
from verify.expectations.expectation import Expectation, Place, Subject, named

RELEASE_FILE = "/etc/mariner-customizer-release"
SCRIPTS_DIRECTORY = "/_imageconfigs"


@dataclass(frozen=True)
class ReleaseFileTells(Subject):
    """The release file names the tool's version and the date of the build."""


@dataclass(frozen=True)
class ScriptsDirectoryGone(Subject):
    """The directory of the configuration, in which the scripts ran, is no part of the image."""


def expected_traces(config: Config) -> Iterator[Expectation]:
    """On the medium and in the machine."""
    system = config.system_config
    rows: list[tuple[str, str, str, Subject]] = [
        (
            named("release-file"),
            f"{RELEASE_FILE} has TOOL_VERSION and BUILD_DATE",
            "SystemConfig, order of work: release file",
            ReleaseFileTells(),
        )
    ]
    if scripts := (*system.post_install_scripts, *system.finalize_image_scripts):
        requirement = f"{SCRIPTS_DIRECTORY}, where the scripts ran, is gone"
        rows.append((named("scripts", "directory-gone"), requirement, scripts[0].key_path, ScriptsDirectoryGone()))
    for id, requirement, source, subject in rows:
        for place in (Place.MEDIUM, Place.MACHINE):
            yield Expectation(id, requirement, source, place, subject)
