"""Every case of the contract comes out as written, and an invalid one for the reason that it was made for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter

from mic.config import BootType, IdType, load_config
from mic.config.config_section import IsoSection
from mic.config.disk_sections import (
    DiskSection,
    PartitionSection,
    PartitionSettingSection,
    VerityPartitionSection,
    VeritySection,
)
from mic.config.fields import FilePermissions, KernelExtraArguments, choice
from mic.config.file_sections import FileConfigList
from mic.config.source import read_source
from mic.config.system_sections import ModulesSection, ScriptSection, ServicesSection, SystemConfigSection
from mic.config.user_section import UserSection
from mic.config.validation import validate
from mic.config.yaml_reader import read_document
from mic.errors import UserError, UserErrors

HERE = Path(__file__).parent
TYPES: dict[str, Any] = {
    "BootType": Annotated[BootType, choice(of=BootType)],
    "Disk": DiskSection,
    "FileConfigList": FileConfigList,
    "FilePermissions": FilePermissions,
    "IdType": Annotated[IdType, choice(of=IdType)],
    "Iso": IsoSection,
    "KernelExtraArguments": KernelExtraArguments,
    "Modules": ModulesSection,
    "Partition": PartitionSection,
    "PartitionSetting": PartitionSettingSection,
    "Script": ScriptSection,
    "Services": ServicesSection,
    "SystemConfig": SystemConfigSection,
    "User": UserSection,
    "Verity": VeritySection,
    "VerityPartition": VerityPartitionSection,
}


@dataclass(frozen=True)
class Case:
    """A text of some type, and whether it is valid; `because` is a part of the error that an invalid one gives."""

    name: str
    type: str
    yaml: str
    valid: bool
    because: str


def cases() -> list[Any]:
    reasons: dict[str, str] = json.loads((HERE / "reasons.json").read_text())
    found = [
        Case(**case, because=reasons.get(case["name"], ""))
        for case in json.loads((HERE / "config-cases.json").read_text())
    ]
    assert {case.name for case in found if not case.valid} == set(reasons)
    return [pytest.param(case, id=case.name) for case in found]


def complaints(file: Path, kind: str) -> list[UserError]:
    try:
        if kind == "Config":
            load_config(file)
            return []
        document = read_document(read_source(file))
        return [*document.errors, *validate(document.root, TypeAdapter(TYPES[kind])).errors]
    except UserErrors as errors:
        return list(errors.errors)
    except UserError as error:
        return [error]


@pytest.mark.parametrize("case", cases())
def test_case_of_the_contract_comes_out_as_written(case: Case, tmp_path: Path) -> None:
    (tmp_path / "cloud-init-data").mkdir()
    for name in ("user-data", "meta-data", "network-config"):
        (tmp_path / "cloud-init-data" / name).touch()
    (tmp_path / "c.yaml").write_text(case.yaml)
    errors = complaints(tmp_path / "c.yaml", case.type)
    if case.valid:
        assert not errors
    else:
        assert any(case.because in error.message for error in errors), errors
