"""What is told by a machine as a whole: the disk it booted, its id, the files behind its disks, its patterns."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from mic.config import load_config
from mic.errors import UserError
from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.local_machine import LocalMachine
from tests.verify.small_medium import SmallMedium
from tests.verify.test_expectations import AUDIT
from tests.verify_machine.boot_sector import BootSector
from verify.access.choose import GuestSystem
from verify.checks.catalogue import in_machine
from verify.checks.live_in_machine import judge_kernel, judge_writes
from verify.checks.whole_machine import upper_layer_in_memory
from verify.deadline import Deadline
from verify.engine.boot_source import blame_failed_boot, bytes_to_load, judge_boot_source
from verify.engine.disk_watch import DiskContents
from verify.engine.events import EventReader, MachineIdRead
from verify.engine.machine_ids import others_with
from verify.engine.session import MachineSession
from verify.expectations.derive import expectations_of
from verify.expectations.expectation import Place
from verify.expectations.live import OwnMachineId, ShowsPattern
from verify.machine.disk_content import content_digest
from verify.machine.disk_counts import DiskReads, DiskWrites
from verify.machine.failure import Circumstances, GuestFailed
from verify.machine.firmware import Firmware
from verify.machine.kept import running_in
from verify.machine.patterns import GRUB_ERROR, KERNEL_PANIC, NO_RULES, PatternRules
from verify.machine.phase import Phase
from verify.machine.spec import Attachment, MachineSpec
from verify.outcome import NotReached
from verify.plan import MachineCell, Plan
from verify.run import run_plan
from verify.scenario import load_scenario, plan_of
from verify.verdict import HarnessFault, HostFault, ProductFailure

MIB = 1 << 20
ISO, DISK = Path("/m.iso"), Path("/other.raw")
KERNEL_AND_INITRD = 44 * MIB
ID = "0123456789abcdef" * 2


# Which disk was booted; the figures are those of real boots.


@pytest.mark.parametrize(
    ("medium", "disk"),
    [(95 * MIB, MIB), (95 * MIB, 90 * MIB), (60 * MIB, 40 * MIB), (400 * MIB, MIB)],
    ids=["usual", "a disk that is searched", "a small live system", "copied to memory"],
)
def test_a_boot_from_the_medium_is_one_whatever_else_is_looked_at(medium: int, disk: int) -> None:
    reads = (DiskReads(DISK, disk),)
    assert "other.raw" in judge_boot_source(DiskReads(ISO, medium), reads, KERNEL_AND_INITRD)


def test_another_disk_that_was_booted_is_named() -> None:
    others = (DiskReads(Path("/quiet.raw"), MIB), DiskReads(DISK, 60 * MIB))
    with pytest.raises(ProductFailure, match=r"not the medium was booted but /other\.raw.*m\.iso 1\.0 MiB"):
        judge_boot_source(DiskReads(ISO, MIB), others, KERNEL_AND_INITRD)
    with pytest.raises(ProductFailure, match=r"not the medium was booted but /other\.raw"):
        judge_boot_source(DiskReads(ISO, MIB), others, 0)


def test_a_disk_that_was_only_looked_at_was_not_booted_however_little_was_read_of_the_medium() -> None:
    assert judge_boot_source(DiskReads(ISO, 0), (DiskReads(DISK, 2 * MIB),), KERNEL_AND_INITRD)


def test_a_root_file_system_of_another_disk_is_named_though_the_kernel_is_the_mediums() -> None:
    with pytest.raises(ProductFailure, match=r"root file system of /other\.raw"):
        judge_boot_source(DiskReads(ISO, KERNEL_AND_INITRD + MIB), (DiskReads(DISK, 60 * MIB),), KERNEL_AND_INITRD)


NO_PROMPT = GuestFailed("no login prompt, and nothing new for 50 s", Circumstances(Phase.FIRMWARE, 61.0))


def test_a_boot_that_fails_on_another_disk_is_blamed_on_it_and_ends_as_no_failure_of_the_mediums_own() -> None:
    others = (DiskReads(Path("/quiet.raw"), MIB), DiskReads(DISK, 38 * MIB))
    for medium in (0, MIB):
        blamed = blame_failed_boot(NO_PROMPT, DiskReads(ISO, medium), others, KERNEL_AND_INITRD)
        assert re.match(r"not the medium was booted but /other\.raw.*; that boot failed: no login prompt", str(blamed))
        assert not isinstance(blamed, GuestFailed)


@pytest.mark.parametrize(
    ("medium", "disk"),
    [(0, 2 * MIB), (MIB, 2 * MIB), (KERNEL_AND_INITRD, 60 * MIB), (20 * MIB, 15 * MIB)],
    ids=["firmware looked", "GRUB searched", "the initrd looked", "the medium's boot broke off"],
)
def test_a_boot_that_fails_on_the_medium_stays_its_own_failure_whoever_else_is_looked_at(
    medium: int, disk: int
) -> None:
    others = (DiskReads(DISK, disk),)
    assert blame_failed_boot(NO_PROMPT, DiskReads(ISO, medium), others, KERNEL_AND_INITRD) is NO_PROMPT
    assert blame_failed_boot(NO_PROMPT, DiskReads(ISO, medium), (), KERNEL_AND_INITRD) is NO_PROMPT


def test_without_another_disk_nothing_else_can_have_booted() -> None:
    assert judge_boot_source(DiskReads(ISO, MIB), (), KERNEL_AND_INITRD)


def test_what_a_boot_must_read_is_kernel_and_initrd(tmp_path: Path) -> None:
    medium = SmallMedium()
    medium.files["boot/vmlinuz"], medium.files["boot/initrd.img"] = "k" * 5000, "i" * 300
    assert bytes_to_load(medium.write(tmp_path)) == 5300
    assert bytes_to_load(BootSector(b"x").write_to(tmp_path / "no.iso")) == 0


# The files behind the disks


def test_a_digest_sees_every_byte_and_no_difference_between_a_hole_and_zeros(tmp_path: Path) -> None:
    sparse, full = tmp_path / "sparse.raw", tmp_path / "full.raw"
    with sparse.open("wb") as file:
        file.truncate(4 * MIB)
        file.seek(3 * MIB + 5)
        file.write(b"data")
    full.write_bytes(sparse.read_bytes())
    assert content_digest(sparse) == content_digest(full)
    before = content_digest(sparse)
    for place in (0, MIB + 1, 3 * MIB + 6, 4 * MIB - 1):
        with sparse.open("r+b") as file:
            file.seek(place)
            file.write(b"!")
        assert content_digest(sparse) != before, place
        before = content_digest(sparse)
    os.truncate(sparse, 5 * MIB)
    assert content_digest(sparse) != before
    with pytest.raises(HostFault, match="gone"):
        content_digest(tmp_path / "gone.raw")


def test_a_disk_of_a_terabyte_costs_what_is_stored_of_it(tmp_path: Path) -> None:
    disk = tmp_path / "huge.raw"
    with disk.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"in the middle")
    assert content_digest(disk) == content_digest(disk)


def test_a_file_that_changed_is_no_product_failure_but_never_unseen(tmp_path: Path) -> None:
    disk = BootSector(b"x").write_to(tmp_path / "disk.raw")
    contents = DiskContents.read((disk, disk))
    assert "disk.raw" in contents.compare((DiskWrites(disk, 1, 512),))
    disk.write_bytes(disk.read_bytes() + b"!")
    with pytest.raises(HostFault, match="not by the guest"):
        contents.compare((DiskWrites(disk, 0, 0),))
    with pytest.raises(HarnessFault, match="not kept apart"):
        contents.compare((DiskWrites(disk, 0, 0, discards=1),))


def test_the_medium_is_watched_as_a_disk_unless_it_is_a_cd(tmp_path: Path) -> None:
    medium, other = (BootSector(b"x").write_to(tmp_path / name) for name in ("m.iso", "other.raw"))

    def watched(attachment: Attachment) -> list[Path]:
        spec = MachineSpec(medium, Firmware.BIOS, attachment, other_disks=(other,))
        return [disk for disk, _ in DiskContents.of(spec).digests]

    assert watched(Attachment.CDROM) == [other]
    assert watched(Attachment.USB_STICK) == [medium, other]


def test_a_discard_is_a_write() -> None:
    with pytest.raises(ProductFailure, match=r"3 discards to /other\.raw"):
        judge_writes((DiskWrites(DISK, 0, 0, discards=3),))


# The machine's id, and what must not survive a reboot


@pytest.fixture
def two_cells(tmp_path: Path) -> Plan:
    medium = SmallMedium()
    medium.rootfs["etc/machine-id"] = f"{ID}\n"
    cells = (MachineCell(Firmware.BIOS), MachineCell(Firmware.UEFI))
    return Plan(medium.write(tmp_path), Path("/c.yaml"), tmp_path / "report", cells)


def test_an_id_baked_into_the_medium_is_found(two_cells: Plan) -> None:
    assert others_with(ID, two_cells, two_cells.cells[0]) == ("the rootfs on the medium",)


def test_whichever_machine_looks_later_finds_the_same_id(two_cells: Plan) -> None:
    first, second = two_cells.cells
    other = "f" * 32
    assert others_with(other, two_cells, second) == ()
    assert others_with(other, two_cells, second) == ()
    assert others_with(other, two_cells, first) == (f"the machine {second.id}",)
    assert others_with("e" * 32, two_cells, first) == ()


def test_only_a_digest_of_an_id_is_kept_and_told_and_the_same_id_has_the_same(two_cells: Plan) -> None:
    for cell in two_cells.cells:
        others_with(ID, two_cells, cell)
    told = [event for event in EventReader(two_cells.events_file).new() if isinstance(event, MachineIdRead)]
    assert [event.cell for event in told] == [cell.id for cell in two_cells.cells]
    assert len({event.digest for event in told}) == 1
    assert all(ID not in file.read_text() for file in two_cells.report_dir.rglob("*") if file.is_file())


def test_a_machine_id_is_one_and_nobody_elses(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    machine.write("/etc/machine-id", f"{ID}\n")
    assert in_machine.make(OwnMachineId(), machine.guest) == ID
    machine.same_id = ("the machine uefi-cd",)
    with pytest.raises(ProductFailure, match="also that of the machine uefi-cd"):
        in_machine.make(OwnMachineId(), machine.guest)
    machine.same_id = ()
    machine.write("/etc/machine-id", "uninitialized\n")
    with pytest.raises(ProductFailure, match="no machine id: 'uninitialized'"):
        in_machine.make(OwnMachineId(), machine.guest)


def test_an_upper_layer_is_in_memory_or_a_failure_even_behind_a_link(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    assert upper_layer_in_memory("/run", machine.guest) == "upper layer /run (tmpfs)"
    assert upper_layer_in_memory(None, machine.guest) == "no upper layer"
    machine.write("/etc/hostname", "x\n")
    (machine.over["/etc"] / "overlayfs").symlink_to("/proc/self")
    with pytest.raises(ProductFailure, match=r"/etc/overlayfs is on proc \(/proc/\d+\): .*survives a reboot"):
        upper_layer_in_memory("/etc/overlayfs", machine.guest)
    with pytest.raises(HarnessFault, match="cannot be looked at"):
        upper_layer_in_memory("/etc/gone", machine.guest)


# Patterns of a scenario


def test_a_required_pattern_that_never_showed_is_a_product_failure(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path, shown_patterns={"grub-error": "error: x."})
    assert in_machine.make(ShowsPattern("grub-error"), machine.guest) == "error: x."
    with pytest.raises(ProductFailure, match="soft-lockup never showed"):
        in_machine.make(ShowsPattern("soft-lockup"), machine.guest)


def ids(write_config: WriteConfig, rules: PatternRules) -> list[str]:
    config = load_config(write_config(EXAMPLE_1))
    expectations = expectations_of(config, AUDIT, (Firmware.BIOS,), patterns=rules)
    return [e.id for e in expectations if e.place is Place.MACHINE]


def test_a_required_pattern_is_looked_for_when_all_else_is_done(write_config: WriteConfig) -> None:
    found = ids(write_config, PatternRules(require=("kernel-oops",)))
    assert found[0] == "live.boot"
    assert found[-3:] == ["live.required-pattern.kernel-oops", "live.no-disk-written", "live.other-disks"]


def test_after_a_required_fatal_pattern_nothing_else_is_expected_of_the_machine(write_config: WriteConfig) -> None:
    assert ids(write_config, PatternRules(require=("kernel-panic",))) == ["live.required-pattern.kernel-panic"]


def test_what_is_required_is_tolerated_unless_it_ends_the_machine() -> None:
    rules = PatternRules(allow=("grub-error",), require=("grub-error", "kernel-oops", "kernel-panic"))
    assert rules.tolerated_names == ("grub-error", "kernel-oops")
    assert rules.ends_boot is KERNEL_PANIC
    assert PatternRules(allow=("grub-error",), require=("grub-error",)).ends_boot is None
    with pytest.raises(UserError, match="no-root and kernel-panic each end the machine"):
        PatternRules(require=("no-root", "kernel-panic")).check()


def test_an_allowed_oops_is_no_complaint_and_hides_no_soft_lockup() -> None:
    oops = "[    9.1] Oops: 0000 [#1] SMP\n"
    assert judge_kernel(oops, 128, emulated=False, allowed=("kernel-oops",))
    with pytest.raises(ProductFailure, match="soft lockup"):
        judge_kernel(f"{oops}BUG: soft lockup - CPU#0 stuck", 128, emulated=False, allowed=("kernel-oops",))
    with pytest.raises(ProductFailure, match="Oops"):
        judge_kernel(oops, 128, emulated=False, allowed=("soft-lockup",))


def test_a_misspelt_pattern_of_a_scenario_is_named_with_its_file(tmp_path: Path, write_config: WriteConfig) -> None:
    config = write_config(EXAMPLE_1)
    path = tmp_path / "scenario.yaml"
    text = f"description: d\nimage: bookworm\nconfig: {config}\n"
    path.write_text(f"{text}require_patterns: [grub-eror]\n")
    with pytest.raises(
        UserError, match=rf"{path}:4:19: require_patterns: there is no pattern grub-eror \(did you mean grub-error\?\)"
    ):
        load_scenario(path)
    path.write_text(f"{text}require_patterns: [grub-error]\nallow_patterns: [soft-lockup]\n")
    plan = plan_of(load_scenario(path), tmp_path / "m.iso", tmp_path)
    assert plan.patterns == PatternRules(("soft-lockup",), ("grub-error",))


# Whole sessions with a guest of one sector


def session_of(tmp_path: Path, words: bytes, rules: PatternRules = NO_RULES) -> MachineSession:
    medium = BootSector(words).write_to(tmp_path / "m.iso")
    cell = MachineCell(Firmware.BIOS, Attachment.VIRTIO_DISK, memory_mib=64)
    plan = Plan(medium, Path("/c.yaml"), tmp_path, (cell,), allow_patterns=rules.allow, require_patterns=rules.require)
    return MachineSession(plan, cell, (), GuestSystem())


LOGIN = b"Linux version 6.1.0\r\nlive login: "


def test_a_required_panic_ends_the_boot_as_expected(tmp_path: Path) -> None:
    words = b"Linux version 6.1.0\r\nKernel panic - not syncing: wanted\r\n"
    session = session_of(tmp_path, words, PatternRules(require=("kernel-panic",)))
    assert session.line_that_showed("kernel-panic") == "Kernel panic - not syncing: wanted"
    with pytest.raises(NotReached):
        session.shell()
    session.close()


def test_another_end_than_the_required_one_is_told_as_what_it_is(tmp_path: Path) -> None:
    words = b"Linux version 6.1.0\r\ndracut: FATAL: x\r\n"
    session = session_of(tmp_path, words, PatternRules(require=("kernel-panic",)))
    with pytest.raises(GuestFailed, match="the initrd gave up"):
        session.line_that_showed("kernel-panic")
    session.close()


def test_a_login_prompt_in_place_of_a_required_panic_shows_no_panic(tmp_path: Path) -> None:
    session = session_of(tmp_path, LOGIN, PatternRules(require=("kernel-panic",)))
    assert session.line_that_showed("kernel-panic") is None
    session.close()


def test_an_allowed_pattern_does_not_end_the_boot_and_the_disks_are_compared(tmp_path: Path) -> None:
    words = b"GNU GRUB\r\nerror: no such device: X.\r\n" + LOGIN
    strict = session_of(tmp_path, words)
    with pytest.raises(GuestFailed, match=GRUB_ERROR.cause):
        strict.boot()
    strict.close()
    session = session_of(tmp_path, words, PatternRules(allow=("grub-error",)))
    assert "login" in session.boot()
    assert session.compare_disks().startswith("the same SHA-256 before and after: m.iso ")
    session.close()


# Runs that keep their machine


def test_two_machines_cannot_be_kept(tmp_path: Path, write_config: WriteConfig) -> None:
    cells = (MachineCell(Firmware.BIOS), MachineCell(Firmware.UEFI))
    plan = Plan(SmallMedium().write(tmp_path), write_config(EXAMPLE_1), tmp_path / "report", cells, keep=True)
    with pytest.raises(UserError, match="only one machine can be kept, and this run has 2"):
        run_plan(plan)


def test_a_machine_of_a_failed_run_is_kept_told_of_and_in_the_way_of_the_next_run(
    tmp_path: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = MachineCell(Firmware.BIOS, memory_mib=64)
    medium = SmallMedium(firmwares=("uefi",)).write(tmp_path)
    plan = Plan(medium, write_config(EXAMPLE_1), tmp_path / "report", (cell,), keep=True, boot_anyway=True)
    assert run_plan(plan, keyword="live.boot and not medium") == 1
    pid = running_in(plan.evidence_of(cell.id))
    assert pid is not None
    try:
        told = capsys.readouterr().out
        assert f"the machine is still there: process {pid}, " in told
        assert "UNIX-CONNECT:console.sock" in told
        with pytest.raises(UserError, match=f"earlier run is still up .kill {pid} ends it"):
            run_plan(plan)
    finally:
        os.kill(pid, signal.SIGTERM)
    end = Deadline(20)
    while running_in(plan.evidence_of(cell.id)) is not None:
        assert not end.expired
        time.sleep(0.05)
