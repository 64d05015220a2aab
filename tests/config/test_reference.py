"""The page with every key is what the models say, and its examples are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from mic.config.reference import reference_page
from mic.config.section import Section
from mic.config.source import read_source
from mic.config.validation import validate
from mic.config.yaml_reader import read_document

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "configuration.md"
ROW = re.compile(r"\| `(?P<key>\w+)` \| (?P<type>.+?) \| (?P<default>.+?) \| (?P<meaning>.+) \| `(?P<example>.+)` \|")
# What an example needs beside it, where it is not right alone.
BESIDE = {"Config.Disks": "SystemConfig: {BootType: efi}"}


def sections() -> dict[str, type[Section]]:
    """Every kind of map of the configuration, by the title that it has on the page."""
    return {
        section.__name__.removesuffix("Section"): section
        for section in Section.__subclasses__()
        if section.__module__.startswith("mic.config.")
    }


def rows(page: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each row with the title of its table."""
    title = ""
    for line in page.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("| `"):
            match = ROW.fullmatch(line)
            assert match is not None, line
            yield title, match


EVERY_ROW = pytest.mark.parametrize(
    ("title", "row"), list(rows(reference_page())), ids=lambda part: part if isinstance(part, str) else part["key"]
)


def test_page_is_what_the_models_give() -> None:
    command = "python -m mic.config.reference > docs/configuration.md"
    assert PAGE.read_text() == reference_page(), f"the models have changed: {command}"


def test_page_has_every_key_of_every_map_once() -> None:
    on_page = [f"{title}.{row['key']}" for title, row in rows(reference_page())]
    assert sorted(on_page) == sorted(
        f"{title}.{key}" for title, section in sections().items() for key in section.known_keys()
    )


@EVERY_ROW
def test_example_of_each_key_is_right(tmp_path: Path, title: str, row: re.Match[str]) -> None:
    section = sections()[title]
    lines = [row["example"].replace("\\|", "|"), BESIDE.get(f"{title}.{row['key']}", "")]
    lines += [f"{key}: {example_of(section, key)}" for key in section.required if key != row["key"]]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    document = read_document(read_source(tmp_path / "c.yaml"))
    adapter: TypeAdapter[Any] = TypeAdapter(section)
    errors = (*document.errors, *validate(document.root, adapter).errors)
    assert [str(error) for error in errors] == []


def example_of(section: type[Section], key: str) -> str:
    field = section.model_fields[section.known_keys()[key]]
    assert field.examples is not None
    return yaml.safe_dump(field.examples[0], default_flow_style=True, width=1000).removesuffix("...\n").strip()


@EVERY_ROW
def test_required_keys_are_told(title: str, row: re.Match[str]) -> None:
    section = sections()[title]
    assert (row["default"] == "**required**") == (row["key"] in section.required)


def test_links_lead_to_tables() -> None:
    page = reference_page()
    titles = {title.lower() for title in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\(#([a-z-]+)\)", page)) <= titles
