"""However a run ends, nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mic.isolation import INTERRUPTED_EXIT_CODE, run_isolated

# A run that mounts, attaches a loop device, starts a process and half-writes its output, then waits.
RUN = """
import subprocess, sys, time
from pathlib import Path
from mic.isolation import run_isolated

def work(workspace):
    (workspace / "disk").write_bytes(bytes(4 << 20))
    subprocess.run(["mke2fs", "-q", workspace / "disk"], check=True)
    (workspace / "mounted").mkdir()
    subprocess.run(["mount", "-o", "loop,ro", workspace / "disk", workspace / "mounted"], check=True)
    subprocess.Popen(["sleep", "4242"], start_new_session=True)
    Path(sys.argv[1], "out.partial").write_text("half")
    print("ready", flush=True)
    time.sleep(600)

parent = Path(sys.argv[1])
sys.exit(run_isolated(work, parent=parent, leftovers=(parent / "out.partial",)))
"""


def start(directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", RUN, directory], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def traces(directory: Path) -> list[str]:
    """What a run in `directory` has left: files, mounts, loop devices, processes."""
    found = [str(path) for path in directory.iterdir()]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(directory) in line]
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout.splitlines()
    found += [line for line in loops if str(directory) in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if arguments == b"sleep\x004242\x00" or str(directory).encode() in arguments:
            found.append(arguments.decode())
    return found


def wait_for_no_traces(directory: Path, seconds: float = 15) -> list[str]:
    end = time.monotonic() + seconds
    while (found := traces(directory)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_stays_after_the_caller_is_ended(how: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path)
    assert traces(tmp_path), "the run must have left traces while it ran"
    process.send_signal(how)
    code = process.wait(timeout=30)
    assert code == (-how if how is signal.SIGKILL else INTERRUPTED_EXIT_CODE)
    assert wait_for_no_traces(tmp_path) == []


def test_nothing_stays_after_the_process_group_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert wait_for_no_traces(tmp_path) == []


def test_next_run_removes_what_a_run_left_that_was_killed_with_its_supervisor(tmp_path: Path) -> None:
    process = start(tmp_path)
    supervisor = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(supervisor, signal.SIGKILL)
    process.wait(timeout=30)
    (tmp_path / "out.partial").unlink()
    assert wait_for_no_traces(tmp_path, seconds=3), "without a supervisor the workspace stays"
    assert run_isolated(lambda _workspace: 0, parent=tmp_path) == 0
    assert wait_for_no_traces(tmp_path) == []


def test_a_run_does_not_sweep_a_workspace_in_use(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert run_isolated(lambda _workspace: 0, parent=tmp_path) == 0
    assert any(path.name.startswith(".mic-") for path in tmp_path.iterdir())
    process.terminate()
    process.wait(timeout=30)


def test_mounts_of_the_work_are_not_seen_outside(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line]
    process.terminate()
    process.wait(timeout=30)


def test_exit_code_and_crash_of_the_work_reach_the_caller(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_isolated(lambda _workspace: 3, parent=tmp_path) == 3

    def crash(_workspace: Path) -> int:
        raise ZeroDivisionError("a bug")

    assert run_isolated(crash, parent=tmp_path) not in (0, 2)
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_environment_without_namespaces_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Root without CAP_SYS_ADMIN, as in a container with default privileges."""
    script = "import sys; from pathlib import Path; from mic.isolation import run_isolated\n"
    script += f"sys.exit(run_isolated(lambda workspace: 0, parent=Path({str(tmp_path)!r})))"
    command = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "forbids namespaces" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
