"""The report as JUnit XML, by the elements and attributes that Jenkins and GitLab read.

There is no standard; this keeps to what the common readers share (github.com/testmoapp/junitxml): one test
suite for each cell, one test case for each check. A product failure is a failure, a fault of harness or host
an error, what was not reached is skipped.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from verify.judgement import count
from verify.outcome import Outcome
from verify.report.model import CellReport, Report
from verify.verdict import Verdict

# What XML 1.0 cannot hold, not even escaped (production 2, Char).
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report) -> bytes:
    """The XML document. Attachments are named relative to the report directory."""
    root = Element("testsuites", name="mic verify")
    _count(root, tuple(outcome for cell in report.cells for outcome in cell.outcomes), report.seconds)
    for cell in report.cells:
        root.append(_suite(cell, report))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(cell: CellReport, report: Report) -> Element:
    suite = Element("testsuite", name=_text(cell.id))
    _count(suite, cell.outcomes, cell.seconds)
    suite.set("skipped", str(count(cell.outcomes, None)))
    begun = min((outcome.begun for outcome in cell.outcomes if outcome.begun), default=report.begun)
    suite.set("timestamp", datetime.fromtimestamp(begun, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    properties = SubElement(suite, "properties")
    for name, value in _facts(cell, report):
        SubElement(properties, "property", name=name, value=_text(value))
    for outcome in cell.outcomes:
        suite.append(_case(outcome))
    attachments = () if cell.machine is None else (*cell.machine.logs, *cell.machine.screenshots)
    if attachments:
        SubElement(suite, "system-out").text = _text("\n".join(f"[[ATTACHMENT|{name}]]" for name in attachments))
    return suite


def _count(element: Element, outcomes: tuple[Outcome, ...], seconds: float) -> None:
    faults = count(outcomes, Verdict.HARNESS_FAULT) + count(outcomes, Verdict.HOST_FAULT)
    element.set("tests", str(len(outcomes)))
    element.set("failures", str(count(outcomes, Verdict.PRODUCT_FAILURE)))
    element.set("errors", str(faults))
    element.set("time", f"{seconds:.3f}")


def _facts(cell: CellReport, report: Report) -> list[tuple[str, str]]:
    facts = [("medium", report.medium), ("medium-sha256", report.medium_sha256), ("verdict", cell.verdict.value)]
    facts += [("note", note) for note in report.notes]
    for number, earlier in enumerate(cell.earlier_tries, start=1):
        facts.append((f"try-{number}", earlier.verdict.value))
    machine = cell.machine
    if machine is not None:
        facts += [("accelerator", machine.accelerator), ("accelerator-reason", machine.accelerator_reason)]
        if machine.host_class is not None:
            facts.append(("host-class", machine.host_class.key))
        for time in machine.phases:
            facts.append((f"boot-seconds.{time.phase}", f"{time.own_seconds:.3f}"))
            if time.ratio is not None:
                facts.append((f"boot-ratio.{time.phase}", f"{time.ratio:.2f}"))
        facts += [("note", note) for note in machine.notes]
    return facts


def _case(outcome: Outcome) -> Element:
    case = Element(
        "testcase", classname=_text(outcome.cell), name=_text(outcome.id), time=f"{max(outcome.seconds, 0):.3f}"
    )
    properties = SubElement(case, "properties")
    for name, value in (("requirement", outcome.requirement), ("source", outcome.source)):
        SubElement(properties, "property", name=name, value=_text(value))
    if outcome.verdict is not Verdict.PASS:
        case.append(_what_is_wrong(outcome))
    SubElement(case, "system-out").text = _text(_seen(outcome))
    return case


def _what_is_wrong(outcome: Outcome) -> Element:
    if outcome.verdict is None:
        return Element("skipped", message=_text(f"not reached: {outcome.reason}"))
    kind = "failure" if outcome.verdict is Verdict.PRODUCT_FAILURE else "error"
    first_line = outcome.reason.partition("\n")[0]
    wrong = Element(kind, type=outcome.verdict.value, message=_text(f"{outcome.verdict.value}: {first_line}"))
    wrong.text = _text(f"{outcome.requirement}\n{outcome.reason}\n{outcome.traceback}".rstrip())
    return wrong


def _seen(outcome: Outcome) -> str:
    lines = [outcome.requirement]
    if outcome.seen:
        lines.append(f"seen: {outcome.seen}")
    for look in outcome.observations:
        code = f" [exit code {look.exit_code}]" if look.exit_code else ""
        at = datetime.fromtimestamp(look.at, UTC).strftime("%H:%M:%S")
        lines.append(f"{at} $ {look.command}{code}\n{look.output}")
    return "\n".join(lines)


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
