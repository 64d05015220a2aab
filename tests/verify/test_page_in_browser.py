"""The report in a real browser: on a phone, on paper, by keyboard, in the dark, and without a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from mic import programs
from tests.verify.test_report import CELL, EVENTS, report
from verify.engine.events import Screenshot
from verify.machine.host_class import HostClass
from verify.outcome import Observation
from verify.plan import Plan
from verify.report.model import CellReport, PhaseTime, Report
from verify.report.page import render_page

PHONE = (360, 740)
DESK = (1200, 900)
LONG = "a_word_of_a_kernel_line_that_never_ends_" * 8
# The smallest contrast of text for people who see less well: WCAG 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5
# 2 x 2 pixels, whole: a browser is choosier than a test that only looks for the data URL.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGNgYPgPQSAKABPrA/1XqAmxAAAAAElFTkSuQmCC"
)


@dataclass(frozen=True)
class Browser:
    """Chromium with one page of ours open."""

    driver: webdriver.Chrome
    page: Path

    def show(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Shows the page anew on a screen of `size` CSS pixels."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(self.page.as_uri())

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """What the browser has logged since the last call."""
        get_log: Any = self.driver.get_log  # selenium does not say what it returns
        entries: list[dict[str, Any]] = get_log(kind)
        return entries

    def ask(self, script: str) -> Any:
        return self.driver.execute_script(script)


def whole_report(plan: Plan) -> Report:
    """A report with everything that a page can have, and with lines that want to be wider than a phone."""
    made = report(plan, (*EVENTS, Screenshot(CELL.id, "cells/screen-login.png")))
    return replace(made, medium=f"/media/{LONG}.iso", cells=(made.cells[0], _with_boot(made.cells[1])))


def _with_boot(cell: CellReport) -> CellReport:
    assert cell.machine is not None
    phases = (
        PhaseTime("firmware", 0.0),
        PhaseTime("boot-loader", 0.4, 0.0, 12.0, 0.3),
        PhaseTime("switch-root", 99.5, 11.5, 60.0, 44.4, 2.01),
        PhaseTime("userspace", 140.5, 11.5, 160.0, 90.4, 1.01),
    )
    look = Observation(f"cat {LONG}", 0, LONG, 1.7e9, 0.1)
    first = replace(cell.outcomes[0], seen=LONG, observations=(look,))
    machine = replace(
        cell.machine, phases=phases, notes=(LONG,), host_class=HostClass("A Processor", "tcg", 2, "7.2.22")
    )
    return replace(cell, outcomes=(first, *cell.outcomes[1:]), machine=machine)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    directory = tmp_path_factory.mktemp("page")
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), directory, (CELL,))
    (directory / "cells").mkdir()
    for name in ("screen.png", "screen-login.png"):
        (directory / "cells" / name).write_bytes(PNG)
    page = directory / "index.html"
    page.write_text(render_page(whole_report(plan), directory))
    options = webdriver.ChromeOptions()
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
        f"--user-data-dir={directory / 'profile'}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.binary_location = str(programs.find("chromium"))
    service = webdriver.ChromeService(executable_path=str(programs.find("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver, page)
    finally:
        driver.quit()


@pytest.mark.parametrize("opened", [False, True])
def test_nothing_is_wider_than_a_phone(browser: Browser, opened: bool) -> None:
    browser.show(PHONE)
    if opened:
        browser.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.ask("return window.innerWidth") == PHONE[0]
    wide = browser.ask(
        "return [...document.querySelectorAll('body *')]"
        ".filter(each => each.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map(each => each.tagName + ' ' + each.className + ' ' + each.textContent.slice(0, 40))"
    )
    assert wide == []
    assert browser.ask("return document.documentElement.scrollWidth") <= PHONE[0]


def test_text_is_large_enough_on_a_phone(browser: Browser) -> None:
    browser.show(PHONE)
    smallest = browser.ask(
        "return Math.min(...[...document.querySelectorAll('body *')].filter(each => each.innerText)"
        ".map(each => parseFloat(getComputedStyle(each).fontSize)))"
    )
    assert smallest >= 12


def test_the_page_loads_nothing_and_complains_of_nothing(browser: Browser) -> None:
    browser.driver.get("about:blank")
    for kind in ("performance", "browser"):
        browser.logged(kind)  # what was before is forgotten
    browser.show(DESK)
    messages = [json.loads(entry["message"])["message"] for entry in browser.logged("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert browser.page.as_uri() in asked
    assert [url for url in asked if not url.startswith("data:")] == [browser.page.as_uri()]
    assert browser.logged("browser") == []


def test_the_images_are_whole(browser: Browser) -> None:
    browser.show(DESK)
    assert browser.ask("return [...document.images].map(each => each.complete && each.naturalWidth)") == [2, 2]


def test_what_is_wrong_is_open_and_the_keyboard_opens_the_rest(browser: Browser) -> None:
    browser.show(DESK)
    open_at_first = browser.ask("return [...document.querySelectorAll('.check[open]')].map(each => each.id)")
    assert open_at_first == [f"{CELL.id}/{check}" for check in ("wrong", "fault", "lost", "never")]
    passed = browser.driver.find_element(By.CSS_SELECTOR, "details.passed")
    assert passed.get_attribute("open") is None
    summary = passed.find_element(By.TAG_NAME, "summary")
    reached = [browser.driver.switch_to.active_element]
    while reached[-1] != summary and len(reached) < 50:
        reached[-1].send_keys(Keys.TAB)
        reached.append(browser.driver.switch_to.active_element)
    assert reached[-1] == summary, "Tab does not come to it"
    summary.send_keys(Keys.ENTER)
    assert passed.get_attribute("open") is not None


def test_a_screenshot_enlarges(browser: Browser) -> None:
    browser.show(DESK)
    shot = browser.driver.find_element(By.CSS_SELECTOR, ".shot")
    image = shot.find_element(By.TAG_NAME, "img")
    before = image.size["width"]
    assert before < 200
    shot.find_element(By.TAG_NAME, "summary").click()
    assert image.size["width"] > 600


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ("show-all", ["m", "boot", "wrong", "fault", "unreached", "lost", "never"]),
        ("show-wrong", ["wrong", "fault", "lost", "never"]),
        ("show-unreached", ["unreached"]),
        ("show-pass", ["m", "boot"]),
    ],
)
def test_the_checks_can_be_filtered(browser: Browser, choice: str, shown: list[str]) -> None:
    browser.show(PHONE)
    browser.driver.find_element(By.ID, choice).click()
    visible = browser.ask(
        "return [...document.querySelectorAll('.check')].filter(each => each.checkVisibility())"
        ".map(each => each.id.split('/')[1])"
    )
    assert visible == shown


CONTRASTS = """
const light = color => {
  const parts = color.match(/[\\d.]+/g).map(Number);
  const line = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  return 0.2126 * line(parts[0]) + 0.7152 * line(parts[1]) + 0.0722 * line(parts[2]);
};
const paper = each => {
  for (; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (!/^rgba.*, 0[)]$/.test(color)) return color;
  }
  return 'rgb(255, 255, 255)';
};
document.querySelectorAll('details').forEach(each => each.open = true);
return [...document.querySelectorAll('body *')]
  .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
  .map(each => {
    const [a, b] = [light(getComputedStyle(each).color), light(paper(each))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [ratio, each.tagName + '.' + each.className + ': ' + each.textContent.slice(0, 30)];
  });
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser: Browser, dark: bool) -> None:
    browser.show(DESK, dark=dark)
    ground = browser.ask("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 40
    assert [each for each in contrasts if each[0] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("choice", ["show-all", "show-wrong"])
def test_on_paper_everything_is_open_whatever_the_filter(browser: Browser, tmp_path: Path, choice: str) -> None:
    browser.show(DESK, dark=True)
    browser.driver.find_element(By.ID, choice).click()
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    pdf = tmp_path / "page.pdf"
    pdf.write_bytes(base64.b64decode(printed["data"]))
    text = "".join(programs.run("pdftotext", "-layout", pdf, "-").text.split())
    for part in ("Requirementboot", "Requirementunreached", "becauseofwrong", "qemu-system-x86_64-name", "lostmyway"):
        assert part in text, part
    assert text.count(LONG) >= 2
