"""Whether a page is fit for people who cannot see it, or see it enlarged: axe-core, and widths."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from playwright.sync_api import Page

GRAVE = ("serious", "critical")
ALSO = ("heading-order",)
"""Rules whose breach counts however grave axe thinks it: a screen reader walks a page by its headings."""
ENLARGED = {"width": 640, "height": 450}
"""A window of 1280 by 900 at 200 % zoom has so many CSS pixels (WCAG 1.4.4 and 1.4.10)."""

OF_STREAMLIT = {
    (
        "scrollable-region-focusable",
        "stTable",
    ): "st.table puts a wide table into a box that scrolls and "
    "gives it no tab stop; Chromium lets the keyboard reach such a box by itself",
}
"""Rule of axe and Streamlit's name of the part it found, to why only Streamlit can mend it."""

_AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_RUN = """async () => {
    const said = await axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
        rules: {'heading-order': {enabled: true}},
        resultTypes: ['violations'],
        elementRef: true,
    });
    return said.violations.flatMap(({id, impact, nodes}) => nodes.map(({element, html, failureSummary}) => (
        {rule: id, impact, html, why: failureSummary,
         part: element?.closest('[data-testid]')?.dataset.testid ?? ''}
    )));
}"""
_CUT = """() => {
    const seen = element => {
        const box = element.getBoundingClientRect(), style = getComputedStyle(element);
        return box.width > 1 && box.height > 1 && style.visibility !== 'hidden';
    };
    const main = document.querySelector('[data-testid=stMain]');
    const scrolls = element => {
        for (let one = element.parentElement; one && one !== main; one = one.parentElement) {
            if (['auto', 'scroll'].includes(getComputedStyle(one).overflowX)
                && one.scrollWidth > one.clientWidth) return true;
        }
        return false;
    };
    const name = one => (one.getAttribute('aria-label') || one.innerText || one.tagName).trim();
    const controls = 'button, a[href], input, textarea, select, [role=combobox], [role=slider]';
    const found = [];
    for (const one of main.querySelectorAll(controls)) {
        const box = one.getBoundingClientRect();
        if (!seen(one) || scrolls(one)) continue;
        const outside = box.left < -1 || box.right > innerWidth + 1;
        const clipped = one.tagName === 'BUTTON' && one.scrollWidth > one.clientWidth + 1;
        if (outside || clipped) found.push(name(one));
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
    if (main.scrollWidth > main.clientWidth) found.push('the main part scrolls sideways');
    return found;
}"""


@dataclass(frozen=True)
class Fault:
    """One element that breaks one rule of axe; ``part`` is Streamlit's name of what it stands in."""

    rule: str
    impact: str
    part: str
    html: str
    why: str


def faults(page: Page) -> list[Fault]:
    """What axe-core finds in what is drawn now, serious, critical or ``ALSO``; Streamlit's own left out."""
    page.evaluate(_AXE)
    said: list[dict[str, str]] = page.evaluate(_RUN)
    found = [Fault(**one) for one in said if one["impact"] in GRAVE or one["rule"] in ALSO]
    return [one for one in found if (one.rule, one.part) not in OF_STREAMLIT]


def cut(page: Page) -> list[str]:
    """Controls that are cut off or lie outside the window, and pages that scroll sideways, at 200 % zoom."""
    before = page.viewport_size
    page.set_viewport_size(ENLARGED)
    page.wait_for_timeout(300)
    found: list[str] = page.evaluate(_CUT)
    assert before is not None
    page.set_viewport_size(before)
    return found
