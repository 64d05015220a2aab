"""The whole list: every expectation of one medium, in the order in which they are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mic.config import Config
from verify.audit.model import Audit
from verify.expectations.audited import expected_agreement, expected_of_audit
from verify.expectations.cloud_init import expected_cloud_users, expected_of_cloud_init, taken_over
from verify.expectations.cloud_seed import seed_of
from verify.expectations.expectation import Expectation, Place
from verify.expectations.extras import Extra, expected_extras
from verify.expectations.files import expected_files
from verify.expectations.host_name import expected_host_name
from verify.expectations.kernel_line import expected_arguments
from verify.expectations.kernel_modules import expected_modules, expected_of_modules_to_load
from verify.expectations.live import (
    first_in_every_machine,
    in_every_machine,
    last_in_every_machine,
    required_patterns,
)
from verify.expectations.packages import expected_packages
from verify.expectations.selinux import expected_selinux
from verify.expectations.services import expected_services
from verify.expectations.traces import expected_traces
from verify.expectations.users import PasswordLogsIn, WrongPasswordRefused, expected_users
from verify.machine.firmware import Firmware
from verify.machine.patterns import NO_RULES, PatternRules


def expectations_of(
    config: Config,
    audit: Audit,
    firmwares: Sequence[Firmware],
    extras: Sequence[Extra] = (),
    patterns: PatternRules = NO_RULES,
) -> tuple[Expectation, ...]:
    """All expectations; `audit` is the medium's, `firmwares` those it is to boot under, `extras` what a scenario
    adds, `patterns` what it lets the console show or wants to see there. After a fatal pattern that is required
    the machine is no more: nothing else in it is expected.

    Logins on the console come last within the machine: each ends the harness's own session there.
    Raises `UserError` when a source file of the configuration cannot be read.
    """
    seed, label = seed_of(config), audit.volume_label
    found = [
        *expected_of_audit(audit, firmwares, seed),
        *in_every_machine(label, patterns.tolerated_names),
        expected_agreement(audit),
        *expected_of_modules_to_load(),
        *expected_arguments(config.kernel_arguments, label),
        *expected_host_name(config.system_config.hostname, seed),
        *expected_files(config),
        *expected_users(config, taken_over(seed)),
        *expected_packages(config, audit.live.package_database),
        *expected_services(config),
        *expected_modules(config),
        *expected_traces(config),
        *expected_selinux(config),
    ]
    if seed is not None:
        found += expected_of_cloud_init(seed)
        if seed.user_data is not None:
            configured = frozenset(user.name for user in config.system_config.users)
            found += expected_cloud_users(seed.user_data, configured)
    found += expected_extras(extras)
    found.sort(key=_order)
    expectations = [e for e in found if e.place is Place.MEDIUM]
    shown = required_patterns(patterns.require)
    if patterns.ends_boot is not None:
        return _without_doubles([*expectations, *shown])
    expectations += first_in_every_machine()
    expectations += [e for e in found if e.place is Place.MACHINE]
    return _without_doubles([*expectations, *shown, *last_in_every_machine()])


def _order(expectation: Expectation) -> bool:
    """Stable sort: everything as it was derived, logins on the console after it."""
    on_console = isinstance(expectation.subject, PasswordLogsIn | WrongPasswordRefused)
    return on_console and expectation.place is Place.MACHINE


def _without_doubles(expectations: Sequence[Expectation]) -> tuple[Expectation, ...]:
    """What is asked for twice, as a group primary and secondary, is looked at once.

    Two different subjects that would share an id are told apart by a number: none may be lost.
    """
    by_id: dict[tuple[Place, str], Expectation] = {}
    for expectation in expectations:
        id, number = expectation.id, 1
        while (same := by_id.setdefault((expectation.place, id), replace(expectation, id=id))) is not None:
            if same.subject == expectation.subject:
                break
            number += 1
            id = f"{expectation.id}~{number}"
    return tuple(by_id.values())
