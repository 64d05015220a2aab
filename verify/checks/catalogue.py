"""All checks: importing the modules that hold them registers them."""

from __future__ import annotations

from verify.checks import (
    audit_in_machine,
    cloud_init_in_machine,
    content_in_machine,
    extras_in_machine,
    kernel_modules,
    keys,
    live_in_machine,
    packages,
    selinux,
    settling,
    sshd,
    traces,
    unit_files,
    units_in_machine,
    users_in_machine,
    whole_machine,
)
from verify.checks.guest import in_machine
from verify.checks.on_medium import on_medium

MODULES = (
    audit_in_machine,
    cloud_init_in_machine,
    content_in_machine,
    extras_in_machine,
    kernel_modules,
    keys,
    live_in_machine,
    packages,
    selinux,
    settling,
    sshd,
    traces,
    unit_files,
    units_in_machine,
    users_in_machine,
    whole_machine,
)

__all__ = ["MODULES", "in_machine", "on_medium"]
