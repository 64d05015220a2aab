"""cloud-init's data is judged by a schema like the image's own, and no complaint shows a value."""

from __future__ import annotations

import json

import pytest

from tests.verify.small_medium import SmallMedium
from tests.verify_audit.conftest import Audited, texts_on
from verify.audit import Aspect
from verify.audit.cloud_schema import judge_meta_data, judge_network_config, judge_user_data
from verify.verdict import HarnessFault

SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "hostname": {"type": "string"},
        "users": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "plain_text_passwd": {"type": "string", "maxLength": 3}},
            },
        },
    },
}
BYTES = json.dumps(SCHEMA).encode()
SCHEMAS = "usr/lib/python3/dist-packages/cloudinit/config/schemas"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("#cloud-config\nhostname: 1\n", "hostname: breaks type"),
        ("#cloud-config\nusres: []\n", "the top level: unknown keys usres"),
        ("#cloud-config\nusers: [{uid: 1}]\n", "users.0: 'name' is a required property"),
        ("#cloud-config\n- a\n", "no YAML mapping"),
        ("#cloud-config\na: b: c\n", "line 2, column 5: it is no YAML"),
        ("hostname: x\n", "no header that cloud-init knows"),
    ],
)
def test_invalid_user_data_is_named(text: str, complaint: str) -> None:
    assert complaint in judge_user_data(text.encode(), BYTES).complaints[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#cloud-config\n",
        "#cloud-config\nhostname: x\n",
        "#!/bin/sh\n",
        "## template: jinja\n#cloud-config\n{{ x }}\n",
    ],
)
def test_valid_user_data_has_no_complaints(text: str) -> None:
    assert judge_user_data(text.encode(), BYTES).complaints == ()


def test_no_complaint_shows_a_value() -> None:
    text = "#cloud-config\nusers: [{name: x, plain_text_passwd: topsecret}, {name: [topsecret]}]\n"
    complaints = judge_user_data(text.encode(), BYTES).complaints
    assert len(complaints) == 2
    assert "topsecret" not in "".join(complaints)


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (complaint,) = judge_user_data(("#cloud-config\n" + "\n".join(lines)).encode(), BYTES).complaints
    assert "unfolds into more than" in complaint


@pytest.mark.parametrize("schema", [b"no json", b'{"type": 1}', b'{"$ref": "http://192.0.2.1/x"}'])
def test_schema_that_cannot_be_used_is_no_pass(schema: bytes) -> None:
    with pytest.raises(HarnessFault):
        judge_user_data(b"#cloud-config\nhostname: x\n", schema)


@pytest.mark.parametrize("text", ["", "- a\n", "instance-id:\n", "local-hostname: x\n"])
def test_meta_data_needs_an_instance_id(text: str) -> None:
    assert judge_meta_data(text.encode()).complaints


@pytest.mark.parametrize("text", ["", "version: 3\n", "network: []\n", "version: 1\n", "version: 1\nconfig: {}\n"])
def test_network_config_needs_a_version_and_its_shape(text: str) -> None:
    assert judge_network_config(text.encode(), {}).complaints


def test_images_own_schemas_are_used(audited: Audited) -> None:
    medium = SmallMedium()
    medium.rootfs[f"{SCHEMAS}/schema-cloud-config-v1.json"] = json.dumps({"additionalProperties": False})
    medium.rootfs[f"{SCHEMAS}/schema-network-config-v2.json"] = json.dumps({"required": ["renderer"]})
    medium.rootfs["usr/lib/python3/dist-packages/cloudinit/version.py"] = '__VERSION__ = "25.1"\n'
    audit = audited(medium)
    assert audit.live.cloud_init == "25.1"
    assert "unknown keys users" in texts_on(audit, Aspect.CLOUD_USER_DATA)
    assert "'renderer' is a required property" in texts_on(audit, Aspect.CLOUD_NETWORK_CONFIG)
    assert texts_on(audit, Aspect.CLOUD_META_DATA) == ""


def test_network_schema_gives_way_to_netplan_as_in_cloud_init(audited: Audited) -> None:
    medium = SmallMedium()
    medium.rootfs[f"{SCHEMAS}/schema-network-config-v2.json"] = json.dumps({"required": ["renderer"]})
    medium.rootfs["usr/lib/python3/dist-packages/netplan/__init__.py"] = ""
    assert audited(medium).findings == ()


def test_data_in_the_rootfs_is_found_where_the_argument_points(audited: Audited) -> None:
    medium = SmallMedium(arguments="'ds=nocloud;s=file:///srv/seed/'")
    medium.rootfs["srv/seed/user-data"] = "users: []\n"
    audit = audited(medium)
    assert "/srv/seed/user-data: its first line" in texts_on(audit, Aspect.CLOUD_USER_DATA)
    assert "/srv/seed, which has no meta-data" in texts_on(audit, Aspect.CLOUD_META_DATA)


def test_seed_on_another_disk_is_not_judged(audited: Audited) -> None:
    audit = audited(SmallMedium(arguments="ds=nocloud"))
    assert audit.findings == ()
    assert Aspect.CLOUD_USER_DATA not in audit.judged
