"""The machine's own browser, without a window, for tests that open what people will open.

Playwright drives it; the browsers that playwright would download are never used. A machine without
a browser fails these tests, and the message says what to install; `python -m tests.browser` says it
before they run.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

VARIABLE = "MLXBENCH_BROWSER"
NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "brave-browser"),
)
MAC_PLACES = tuple(
    Path(f"/Applications/{name}.app/Contents/MacOS/{name}")
    for name in ("Google Chrome", "Chromium", "Microsoft Edge", "Brave Browser")
)
# Tests run as root in containers, where Chromium's sandbox refuses to start.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")

# WCAG's formula, for text against the first colour behind it that is not transparent.
CONTRAST = """() => {
  const channel = value => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const parse = colour => (colour.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    throw new Error("nothing behind " + element.outerHTML);
  };
  let least = [99, "no text"];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(
      node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.getClientRects().length || element.tagName === "title") continue;
    const style = getComputedStyle(element);
    const inside = element instanceof SVGElement;
    const [a, b] = [light(parse(inside ? style.fill : style.color)), light(behind(element))];
    const found = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (found < least[0]) least = [found, element.outerHTML.slice(0, 200)];
  }
  return least;
}"""


class NoBrowserError(Exception):
    """There is no browser to open a page in."""


def browser_path() -> Path:
    """Where a Chromium is. Raises NoBrowserError, which says what to do."""
    named = os.environ.get(VARIABLE)
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    places = [Path(path) for path in (named or found,) if path]
    if not named:
        places += MAC_PLACES
    for place in places:
        if place.is_file():
            return place
    raise NoBrowserError(
        f"no browser at ${VARIABLE} = {named!r}"
        if named
        else f"no Chromium or Chrome: install one (Debian: `apt install chromium`) or name it in "
        f"${VARIABLE}"
    )


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser."""
    path = browser_path()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield started
        finally:
            started.close()


@dataclass(slots=True)
class Opened:
    """An open page, and what went on since it was opened."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def opened(
    started: Browser, path: Path, *, width: int = 1280, dark: bool = False
) -> Iterator[Opened]:
    """The file in a window of this width."""
    page = started.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    seen = Opened(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    try:
        page.goto(path.as_uri())
        yield seen
    finally:
        page.close()


def least_contrast(page: Page) -> tuple[float, str]:
    """The least contrast of any visible text, from 1 to 21, and the element that has it."""
    least, where = page.evaluate(CONTRAST)
    return float(least), str(where)


if __name__ == "__main__":
    try:
        browser_path()
    except NoBrowserError as error:
        sys.exit(str(error))
