"""KernelCommandLine.SELinux: what the booted kernel makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.config import Config, SELinuxMode
from verify.expectations.expectation import Expectation, Place, Subject, named


@dataclass(frozen=True)
class SELinuxIs(Subject):
    """The mode of SELinux in the running kernel."""

    mode: SELinuxMode


def expected_selinux(config: Config) -> Iterator[Expectation]:
    """In the machine alone: whether the kernel, its arguments and a policy come together only the boot shows."""
    mode = config.system_config.kernel_command_line.selinux
    if mode is not None:
        requirement, source = f"SELinux is {mode.value}", "SystemConfig.KernelCommandLine.SELinux"
        yield Expectation(named("selinux"), requirement, source, Place.MACHINE, SELinuxIs(mode))
