"""Configurations as their users write them, and a small medium that tells all that can be told unbooted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mic.config import Config, load_config

USER_DATA = """\
#cloud-config
users:
- name: clouduser
  plain_text_passwd: cloud-secret
  lock_passwd: false
  groups: [sudo, adm]
  shell: /bin/bash
"""
META_DATA = "instance-id: iid-example\nlocal-hostname: live-example\n"
NETWORK_CONFIG = """\
version: 2
ethernets:
  primary:
    match: {macaddress: '52:54:00:12:34:56'}
    addresses: [192.0.2.10/24, '2001:db8::5/64']
    nameservers: {addresses: [192.0.2.53]}
"""
EXAMPLE_1 = """\
Iso:
  AdditionalFiles:
    cloud-init-data/user-data: /cloud-init-data/user-data
    cloud-init-data/network-config: /cloud-init-data/network-config
    cloud-init-data/meta-data: /cloud-init-data/meta-data
  KernelCommandLine: ds=nocloud;s=file://run/initramfs/live/cloud-init-data
SystemConfig:
  Users:
  - Name: test
    Password: testpassword
    PrimaryGroup: sudo
"""
EXAMPLE_2 = """\
Iso:
  KernelCommandLine:
    ExtraCommandLine: ds=nocloud;s=file://cloud-init-data
  SystemConfig:
    Users:
    - Name: test
      Password: testpassword
      PrimaryGroup: sudo
    AdditionalFiles:
      cloud-init-data/user-data: /cloud-init-data/user-data
      cloud-init-data/network-config: /cloud-init-data/network-config
      cloud-init-data/meta-data: /cloud-init-data/meta-data
"""

WriteConfig = Callable[..., Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Writes a configuration and its cloud-init files, each of which a keyword can change."""

    def write(
        text: str,
        *,
        user_data: str = USER_DATA,
        meta_data: str = META_DATA,
        network_config: str = NETWORK_CONFIG,
    ) -> Path:
        data = tmp_path / "cloud-init-data"
        data.mkdir(exist_ok=True)
        for name, content in (
            ("user-data", user_data),
            ("meta-data", meta_data),
            ("network-config", network_config),
        ):
            (data / name).write_text(content)
            (data / name).chmod(0o644)
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def configured(write_config: WriteConfig) -> Callable[..., Config]:
    """The same, read by mic."""

    def read(text: str, **files: str) -> Config:
        return load_config(write_config(text, **files))

    return read
