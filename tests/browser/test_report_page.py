"""The report as Chromium shows it from a file: quiet, reachable by keyboard, narrow, dark and on paper."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apportion.cli.report_folder import put
from apportion.period import Period
from apportion.report.certificate import StageControl, certificate
from apportion.report.page import folder, gather
from tests.unit.report.company import CENT, PERIOD, Claim, Company, context, larkspur

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = [
    *([] if CHROMIUM else ["Chromium"]),
    *(name for name in ("playwright", "axe_playwright_python") if importlib.util.find_spec(name) is None),
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NAMES = ["support", "<b>search</b>", "n" * 200, "検索", "two words"]
TABS = 400


def company() -> Company:
    """The small company, and a pool whose owners have names of every kind."""
    made = larkspur()
    claims = [Claim(name, 1_000 * (at + 1), "shared", at + 1) for at, name in enumerate(NAMES)]
    made.pool("names", claims, item="i" * 120, method="even", basis="heads")
    cells = {("acme", 1, "ann"): 700 * CENT}
    made.pool("default", [Claim("growth", 700, "default", cells=cells)])
    return made


def written(place: Path, made: Company, period: Period = PERIOD) -> str:
    stages = [StageControl("post", "postings to owners", "1.00 USD", "ab" * 32, ok=True)]
    said = context()
    put(place, folder(gather(made.con, said, period, certificate(made.con, said, period, stages))).files)
    return (place / "index.html").as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("page") / "report", company())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers have no user namespaces; the page is our own.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Any, address: str, width: int = 1180, scheme: str = "light", **more: Any) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
    page.goto(address)
    return page


def violations(page: Any) -> list[tuple[str, str]]:
    """What axe-core says against a page: each rule with the first place."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.submodule_search_locations
    page.evaluate((Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]]


def test_it_asks_nobody_and_complains_of_nothing(browser: Any, address: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    assert said == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1180, "light"), (1180, "dark"), (360, "light"), (360, "dark")])
def test_axe_finds_nothing(browser: Any, address: str, width: int, scheme: str) -> None:
    page = opened(browser, address, width, scheme)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert violations(page) == []
    page.close()


def test_every_statement_is_reached_by_keyboard_alone(browser: Any, address: str) -> None:
    page = opened(browser, address)
    wanted = set(page.eval_on_selector_all("#all-statements a", "all => all.map(a => a.hash)"))
    assert len(wanted) >= len(NAMES)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    found: set[str] = set()
    for _ in range(TABS):
        page.keyboard.press("Tab")
        where = page.evaluate(
            "[document.activeElement.hash || '', getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert where[1] != "none", where
        if where[0] in wanted - found:
            found.add(where[0])
        if found == wanted:
            break
    assert found == wanted
    page.keyboard.press("Enter")
    target = page.evaluate("document.querySelector(':target').getBoundingClientRect().top")
    assert -20 < target < 900
    page.close()


@pytest.mark.parametrize("width", [360, 320, 768, 1600])
def test_nothing_is_wider_than_the_window(browser: Any, address: str, width: int) -> None:
    page = opened(browser, address, width)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_targets_are_large_enough(browser: Any, address: str) -> None:
    page = opened(browser, address, 360)
    small = page.eval_on_selector_all(
        "a:not(.skip), summary",
        "all => all.filter(e => e.checkVisibility()).map(e => [e.textContent, e.getBoundingClientRect()])"
        ".filter(([_, r]) => r.height < 24 || r.width < 24).map(([text, r]) => [text, r.width, r.height])",
    )
    assert small == []
    page.close()


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_the_overview_is_at_most_two_sheets_of_paper(browser: Any, address: str) -> None:
    page = opened(browser, address)
    assert pages_of(page.pdf(prefer_css_page_size=True)) <= 2
    page.emulate_media(media="print")
    assert not page.locator("#statements").is_visible()
    page.close()


def test_a_statement_whose_link_was_followed_is_printed_alone(browser: Any, address: str) -> None:
    page = opened(browser, address + "#owner-support")
    page.emulate_media(media="print")
    assert page.locator("#owner-support").is_visible()
    assert not page.locator("#overview").is_visible()
    assert not page.locator("#owner-growth").is_visible()
    page.close()


def test_an_empty_period_is_a_page_too(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, written(tmp_path / "report", Company()))
    assert "Nothing was billed" in page.inner_text("main")
    assert violations(page) == []
    page.close()
