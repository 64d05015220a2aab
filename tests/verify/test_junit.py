"""junit.xml holds every check, in the elements, attributes and order that the readers of CI systems accept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from tests.verify.test_report import CELL, EVENTS, ODD, outcome, report
from verify.engine.events import CheckEnded
from verify.plan import Plan
from verify.report.junit import render_junit
from verify.verdict import Verdict

# What Jenkins' schema (junit-10.xsd of its xUnit plugin) allows; GitLab reads a subset of it.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"message"},
    "property": {"name", "value"},
    "properties": set(),
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out"},
    "testcase": {"properties", "skipped", "error", "failure", "system-out"},
    "properties": {"property"},
}
COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, (CELL,))
    plan.evidence_of(CELL.id).mkdir(parents=True)
    (plan.evidence_of(CELL.id) / "serial.log").touch()
    return plan


@pytest.fixture
def suites(plan: Plan) -> Element:
    return ElementTree.fromstring(render_junit(report(plan)))


def case(suites: Element, name: str) -> Element:
    (found,) = (case for case in suites.iter("testcase") if case.attrib["name"] == name)
    return found


def test_every_element_has_the_shape_that_readers_know(suites: Element) -> None:
    assert suites.tag == "testsuites"
    for element in suites.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set()), element.tag
        if "time" in element.attrib:
            assert re.fullmatch(r"\d+\.\d{3}", element.attrib["time"])
    for suite in suites:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        # One end for each test: Jenkins takes the first and forgets others.
        for each in suite.iter("testcase"):
            assert len([child for child in each if child.tag in ("failure", "error", "skipped")]) <= 1


def test_the_numbers_are_those_of_the_elements(suites: Element) -> None:
    for element in (suites, *suites):
        for attribute in COUNTED.keys() & element.attrib.keys():
            assert int(element.attrib[attribute]) == len(list(element.iter(COUNTED[attribute]))), attribute
    assert [suite.attrib["name"] for suite in suites] == ["medium", CELL.id]


def test_each_verdict_has_its_element(suites: Element) -> None:
    kinds = {
        each.attrib["name"]: [child.tag for child in each if child.tag not in ("properties", "system-out")]
        for each in suites.iter("testcase")
    }
    assert kinds == {
        "m": [], "boot": [], "wrong": ["failure"], "fault": ["error"],
        "unreached": ["skipped"], "lost": ["error"], "never": ["error"],
    }  # fmt: skip


def test_a_failure_says_what_was_asked_run_and_seen(suites: Element) -> None:
    wrong = case(suites, "wrong")
    assert wrong.attrib["classname"] == CELL.id
    properties = {each.attrib["name"]: each.attrib["value"] for each in wrong.iter("property")}
    assert properties == {"requirement": "Requirement wrong", "source": "the source"}
    failure = wrong.find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "product failure"
    assert failure.attrib["message"].startswith("product failure: wrong because")
    assert f"$ cat {ODD} [exit code 3]\n{ODD}" in (wrong.findtext("system-out") or "")


def test_logs_and_screenshots_are_attached(suites: Element) -> None:
    text = suites[1].findtext("system-out") or ""
    assert f"[[ATTACHMENT|cells/{CELL.id}/serial.log]]" in text
    assert "[[ATTACHMENT|cells/screen.png]]" in text


def test_bytes_that_xml_cannot_hold_do_not_break_the_document(plan: Plan) -> None:
    bad = replace(outcome("boot", Verdict.PRODUCT_FAILURE, "\x1b[31mred\x00 \ud800 \ufffe"), seen="\x08")
    events = [CheckEnded(bad) if isinstance(e, CheckEnded) and e.outcome.id == "boot" else e for e in EVENTS]
    suites = ElementTree.fromstring(render_junit(report(plan, events)))
    failure = case(suites, "boot").find("failure")
    assert failure is not None
    assert "[31mred" in failure.attrib["message"]
