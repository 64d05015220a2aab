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


def added_to_the_image(workspace: Path) -> list[str]:
    """The paths that are in the view and not in the image."""
    changes, image = workspace / "changes", workspace / "image-root"
    found = (path.relative_to(changes) for path in changes.rglob("*"))
    return sorted(str(path) for path in found if not os.path.lexists(image / path))


@pytest.fixture
def lent(bookworm: Path, isolated: Isolated[tuple[Completed, list[str]]]) -> Callable[..., tuple[Completed, list[str]]]:
    """Runs a shell script with something lent; also returns what is in the root afterwards and was not before."""

    def run(script: str, source: Path, target: str) -> tuple[Completed, list[str]]:
        def work(workspace: Path) -> tuple[Completed, list[str]]:
            with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
                done = rootfs.sandbox.run("sh", "-c", script, read_only_binds={source: target}, check=False)
                return done, added_to_the_image(workspace)

        return isolated(work)

    return run


def test_directory_lent_read_only_is_seen_and_its_mount_point_is_gone_afterwards(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "script").write_text("content")
    done, left = lent("cat /_imageconfigs/script", directory, "/_imageconfigs")
    assert (done.exit_code, done.text, left) == (0, "content", [])


def test_nothing_in_a_directory_lent_read_only_can_be_changed(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "script").write_text("content")
    attempts = "touch /_imageconfigs/new; mount -o remount,rw,bind /_imageconfigs; echo x > /_imageconfigs/script"
    lent(
        f"{attempts}; rm -f /_imageconfigs/script; mount -o remount,rw /_imageconfigs; id", directory, "/_imageconfigs"
    )
    assert [path.name for path in directory.iterdir()] == ["script"]
    assert (directory / "script").read_text() == "content"


def test_directory_that_holds_the_workspace_can_be_lent(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    """Where the configuration lies beside the output: the mounts of the run itself are below it."""
    (tmp_path / "note.txt").write_text("beside")
    done, left = lent("cat /_imageconfigs/note.txt", tmp_path, "/_imageconfigs")
    assert (done.text, left) == ("beside", [])


def test_file_can_be_lent_where_the_image_has_none(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    (tmp_path / "policy").write_text("#!/bin/sh\nexit 101\n")
    done, left = lent(
        "cat /usr/local/lent/below/policy-rc.d; ls -la /usr/local/lent",
        tmp_path / "policy",
        "/usr/local/lent/below/policy-rc.d",
    )
    assert "exit 101" in done.text
    assert left == []


def test_what_the_program_makes_beside_a_mount_point_stays(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    done, left = lent("touch /opt/vendor/own; mkdir /run/vendor", tmp_path, "/opt/vendor/lent")
    assert (done.exit_code, left) == (0, ["opt/vendor", "opt/vendor/own"])


def test_mount_point_is_gone_although_a_process_was_left_in_it(
    lent: Callable[..., tuple[Completed, list[str]]], tmp_path: Path
) -> None:
    done, left = lent("cd /_imageconfigs; setsid sleep 27183 >/dev/null 2>&1 & sleep 0.2", tmp_path, "/_imageconfigs")
    assert (done.exit_code, left) == (0, [])


RESOLV_CONFS: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: path.unlink(missing_ok=True),
    "a file": lambda path: path.write_text("nameserver 192.0.2.1\n"),
    "a link to nothing in /run": lambda path: path.symlink_to("../run/systemd/resolve/stub-resolv.conf"),
    "an absolute link to nothing": lambda path: path.symlink_to("/run/NetworkManager/resolv.conf"),
    "a link to a file": lambda path: path.symlink_to("hostname"),
    "a link to nothing in the image": lambda path: path.symlink_to("/var/lib/resolver/resolv.conf"),
}


def shape_of(path: Path) -> tuple[object, ...]:
    if not os.path.lexists(path):
        return ("absent",)
    status = path.lstat()
    content = os.readlink(path) if path.is_symlink() else path.read_text()
    return (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ino, content)


@pytest.mark.parametrize("resolv_conf", RESOLV_CONFS)
def test_lent_network_is_the_hosts_and_the_images_resolv_conf_is_as_it_was(
    resolv_conf: str, bookworm: Path, isolated: Isolated[tuple[Completed, object, object, list[str]]]
) -> None:
    def work(workspace: Path) -> tuple[Completed, object, object, list[str]]:
        with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
            path = rootfs.tree.top / "etc/resolv.conf"
            RESOLV_CONFS[resolv_conf](path)
            before = shape_of(path)
            script = "tail -n +3 /proc/net/dev | cut -d: -f1; echo =; cat /etc/resolv.conf; echo x >> /etc/resolv.conf"
            done = rootfs.sandbox.run("sh", "-c", script, network=True, check=False)
            return done, before, shape_of(path), added_to_the_image(workspace)

    done, before, after, added = isolated(work)
    interfaces, _, resolver = done.text.partition("=\n")
    assert set(interfaces.split()) == set(os.listdir("/sys/class/net"))
    assert resolver == Path("/etc/resolv.conf").read_text()
    assert before == after
    assert added == ([] if before == ("absent",) else ["etc/resolv.conf"])


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
