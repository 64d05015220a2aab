from __future__ import annotations

from collections.abc import Iterable

import pytest

from verify.machine.phase import LOGIN_PROMPT, Phase, PhaseTracker

# Lines of real boots: Debian 12 and 13 with dracut 059 and 106 under SeaBIOS and OVMF.
BIOS_BOOT = (
    ("Booting from DVD/CD...", Phase.FIRMWARE),
    ("Booting from 0000:7c00", Phase.BOOT_LOADER),
    ("                          GNU GRUB  version 2.06-13+deb12u2", Phase.BOOT_LOADER),
    ("  Booting `Debian GNU/Linux'", Phase.BOOT_LOADER),
    ("[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)", Phase.KERNEL),
    ("[    0.638463] clocksource: Switched to clocksource tsc-early", Phase.KERNEL),
    ("[    3.062595] Run /init as init process", Phase.INITRD),
    ("[    3.311641] systemd[1]: systemd 252.39-1~deb12u2 running in system mode (+PAM)", Phase.INITRD),
    ("Welcome to Debian GNU/Linux 12 (bookworm) dracut-059-4 (Initramfs)!", Phase.INITRD),
    ("[  OK  ] Reached target initrd-switch-root.target - Switch Root.", Phase.INITRD),
    ("         Starting initrd-switch-root.service - Switch Root...", Phase.SWITCH_ROOT),
    ("[   12.626389] systemd-journald[122]: Received SIGTERM from PID 1 (n/a).", Phase.SWITCH_ROOT),
    ("Welcome to Debian GNU/Linux 12 (bookworm)!", Phase.USERSPACE),
    ("[   15.305325] systemd[1]: Stopped initrd-switch-root.service - Switch Root.", Phase.USERSPACE),
    ("Debian GNU/Linux 12 debian ttyS0", Phase.USERSPACE),
    ("debian login: ", Phase.LOGIN),
    ("Last login: Mon Nov 23 21:39:05 UTC 2026 on ttyS0", Phase.LOGIN),
)
UEFI_BOOT = (
    ('BdsDxe: loading Boot0001 "UEFI QEMU DVD-ROM QM00001 "', Phase.FIRMWARE),
    ('BdsDxe: starting Boot0001 "UEFI QEMU DVD-ROM QM00001 "', Phase.BOOT_LOADER),
    ("EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path", Phase.KERNEL),
)


def after(lines: Iterable[str]) -> PhaseTracker:
    tracker = PhaseTracker()
    for second, line in enumerate(lines, start=1):
        tracker.observe(line, float(second))
    return tracker


@pytest.mark.parametrize("boot", [BIOS_BOOT, UEFI_BOOT], ids=["bios", "uefi"])
def test_each_line_of_a_real_boot_shows_its_phase(boot: tuple[tuple[str, Phase], ...]) -> None:
    tracker = PhaseTracker()
    for line, phase in boot:
        tracker.observe(line, 1.0)
        assert tracker.phase is phase, line


def test_each_phase_has_the_time_of_its_first_evidence() -> None:
    times = after(line for line, _ in BIOS_BOOT).times
    assert list(times) == list(Phase)
    assert list(times.values()) == [0, 2, 5, 7, 11, 13, 16]


def test_a_quiet_boot_skips_to_what_it_shows() -> None:
    tracker = after(["Linux version 6.1", "Welcome to Fedora Linux 40!", "live login: "])
    assert list(tracker.times) == [Phase.FIRMWARE, Phase.KERNEL, Phase.USERSPACE, Phase.LOGIN]


def test_the_firmwares_own_shell_is_no_boot_loader() -> None:
    assert after(['BdsDxe: starting Boot0001 "EFI Internal Shell" from Fv(7C)']).phase is Phase.FIRMWARE


def test_a_boot_menu_that_speaks_of_a_login_is_no_getty() -> None:
    assert after(["GNU GRUB  version 2.06", "live login: "]).phase is Phase.BOOT_LOADER


def test_a_phase_never_goes_back() -> None:
    assert after(["live login: ", "Linux version 6.1", "live login: ", "Linux version 6.1"]).phase is Phase.LOGIN


@pytest.mark.parametrize(
    "text", ["live login: ", "login: ", "\r\na.b.example login: ", "live login: [   12.3] usb", "x\nlive login:"]
)
def test_a_getty_is_recognised(text: str) -> None:
    assert LOGIN_PROMPT.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "Last login: Mon Nov 23",
        "Last login: ",
        "cloud-init[1]: set login: done",
        "live login: root",
        "the word login: here",
        "nologin: x",
    ],
)
def test_other_words_are_no_getty(text: str) -> None:
    assert not LOGIN_PROMPT.search(text)
