"""What an image's program can and cannot do: real programs of a real image try."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mic.errors import UserError
from mic.image.layout import open_image
from mic.programs import Completed
from mic.rootfs.view import open_rootfs

pytestmark = pytest.mark.image

Result = TypeVar("Result")
Isolated = Callable[[Callable[[Path], Result]], Result]


@pytest.fixture
def shell(bookworm: Path, isolated: Isolated[Completed]) -> Callable[..., Completed]:
    """Runs a shell script of the image's own sh in the sandbox."""

    def run(script: str, *, read_only: bool = False, stdin: bytes | None = None) -> Completed:
        def work(workspace: Path) -> Completed:
            with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
                return rootfs.sandbox.run("sh", "-c", script, read_only=read_only, stdin=stdin, check=False)

        return isolated(work)

    return run


def test_program_is_root_of_the_images_own_root(shell: Callable[..., Completed]) -> None:
    done = shell("id -u; . /etc/os-release; echo $VERSION_CODENAME; cat", stdin=b"from stdin")
    assert done.exit_code == 0
    assert done.text.split("\n") == ["0", "bookworm", "from stdin"]


def test_exit_code_and_both_outputs_come_back(shell: Callable[..., Completed]) -> None:
    done = shell("echo out; echo err >&2; exit 7")
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_no_process_of_the_host_is_seen(shell: Callable[..., Completed]) -> None:
    with subprocess.Popen(["sleep", "31415"]) as host_process:
        seen = shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -9 -1; echo still here")
        assert "31415" not in seen.text
        assert host_process.poll() is None
        host_process.kill()


def test_no_network(shell: Callable[..., Completed]) -> None:
    done = shell("ls /sys/class/net 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1")
    assert done.text.split() == ["lo"]


def test_no_file_of_the_host_is_reached(shell: Callable[..., Completed], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host")
    attempts = f"cat {secret}; cat /proc/1/root{secret}; cat /proc/1/cwd/{secret}; cat ../../../..{secret}"
    done = shell(f"{attempts}; mkdir -p /mnt/a; mount -t ext4 /dev/vda /mnt/a; mount -t ext4 /dev/sda1 /mnt/a; ls /dev")
    assert "host" not in done.text.split()
    assert not {"vda", "sda", "mem", "kmsg", "loop0"} & set(done.text.split())


def test_devices_cannot_be_made(shell: Callable[..., Completed]) -> None:
    assert shell("mknod /tmp/disk b 254 0 && cat /tmp/disk").exit_code != 0


def test_process_left_behind_ends_with_the_program(shell: Callable[..., Completed]) -> None:
    shell("setsid sleep 27182 >/dev/null 2>&1 & disown 2>/dev/null; true")
    assert subprocess.run(["pgrep", "-f", "^sleep 27182$"], check=False).returncode == 1


def test_read_only_root_cannot_be_changed(shell: Callable[..., Completed]) -> None:
    done = shell(
        "touch /etc/new || mount -o remount,rw / && touch /etc/new; echo t > /var/tmp/t && cat /var/tmp/t",
        read_only=True,
    )
    assert done.text == "t\n"
    assert b"Read-only file system" in done.stderr
    assert shell("touch /etc/new", read_only=False).exit_code == 0


def test_environment_of_the_host_is_not_seen(shell: Callable[..., Completed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "42")
    assert "HOST_SECRET" not in shell("env").text


def test_environment_without_user_namespaces_is_told_in_a_sentence(bookworm: Path, isolated: Isolated[str]) -> None:
    """As in a chroot, or with user.max_user_namespaces=0: the kernel refuses, mic says so."""

    def work(workspace: Path) -> str:
        os.chroot(mkdir_bind_root(workspace))
        with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
            try:
                rootfs.sandbox.run("true")
            except UserError as error:
                return str(error)
        return "no error"

    assert "forbids user namespaces" in isolated(work)


def mkdir_bind_root(workspace: Path) -> Path:
    """The same root once more: a process whose root is not its mount namespace's may not make user namespaces."""
    again = workspace / "root"
    again.mkdir()
    subprocess.run(["mount", "--rbind", "/", again], check=True)
    return again
