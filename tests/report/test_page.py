"""The page, opened in a real browser as people will open it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from mlxbench.records import Notice, Reference, Timed
from mlxbench.report import page as pages
from mlxbench.report.gathering import Gathered, gather
from mlxbench.report.plots import plots
from mlxbench.store import Store
from tests import browser as browsers
from tests.report import plot_samples, plot_week

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=http://127.0.0.1:9/x onerror="document.title=1">',
    "{{ 7 * 7 }}</title></style></textarea><h1>owned",
    "a\u202eb\u2066c\x1b[31md\x00",
    "x" * 100,
)
WIDTHS = (1280, 360)
WARM = Notice("warm", "the machine was warm", "let it cool, --wait-a-little-longer")
A4 = 718  # CSS pixels between margins of 1 cm


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsers.browser() as started:
        yield started


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """A week's results, cut down to one of each kind."""
    runs = plot_week.decode_runs()
    served = next(run for run in runs if run.arm.target.engine == "ollama")
    warned = replace(runs[0], notices=(WARM,))
    with Store.open(tmp_path_factory.mktemp("store") / "s.sqlite") as store:
        others = [*plot_week.prefill_runs()[:2], *plot_week.stepped_runs()[:1]]
        others += [*plot_week.small_runs(), *plot_week.probe_runs()[:3]]
        for run in [warned, *runs[1:3], served, *others]:
            store.add_run(run)
        for made, compared in plot_week.comparisons()[:2]:
            for run in compared:
                store.add_run(run)
            store.add_comparison(made)
        return gather(store, plot_samples.references())


@pytest.fixture(scope="module")
def report(gathered: Gathered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _page(gathered, tmp_path_factory.mktemp("report"), "A week")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which everything that others may choose is hostile."""
    references = {name: (Reference(name, name, name, name, 12.0, "FAIL"),) for name in HOSTILE}
    with Store.open(tmp_path_factory.mktemp("store") / "s.sqlite") as store:
        for place, name in enumerate(HOSTILE):
            run = plot_samples.timed(
                name,
                Timed("decode", 64, 16),
                number=place,
                n=3,
                known=replace(plot_samples.checkpoint("tiny-moe"), fingerprint=name),
                environment=replace(plot_samples.LINUX, cpu=name, versions={"mlx": name}),
                pace_s=0.01,
            )
            warned = (Notice("bad", name, name),)
            store.add_run(replace(run, command=name, resident=(name,), notices=warned))
        plain = plot_samples.checkpoint("tiny-moe")
        asked = plot_samples.probed("tiny-moe", "fomo", ["<b>FOCUS</b> is hidden"], number=20)
        target = replace(asked.arm.target, model=HOSTILE[0])
        store.add_run(replace(asked, arm=replace(asked.arm, target=target), checkpoint=plain))
        gathered = gather(store, references)
    return _page(gathered, tmp_path_factory.mktemp("hostile"), HOSTILE[2])


def _page(gathered: Gathered, folder: Path, title: str) -> Path:
    path = folder / "report.html"
    path.write_text(pages.html(pages.contents(gathered, plots(gathered), title)))
    return path


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


def texts(row: Locator) -> list[str]:
    return [text.strip() for text in row.locator("th, td").all_inner_texts()]


def test_nothing_leaves_the_page_and_nothing_complains(chromium: Browser, report: Path) -> None:
    with browsers.opened(chromium, report) as seen:
        open_all(seen.page)
        assert seen.requests == [report.as_uri()]
        assert seen.complaints == []
        leading = seen.page.evaluate(
            "[...document.querySelectorAll('[href], [src]')]"
            ".map(one => one.getAttribute('href') ?? one.getAttribute('src'))"
        )
        assert leading
        assert all(one.startswith("#") for one in leading)


def test_the_policy_of_the_page_stops_scripts_and_pictures(chromium: Browser, report: Path) -> None:
    attack = """() => new Promise(done => {
      const blocked = [];
      document.addEventListener('securitypolicyviolation', event => {
        blocked.push(event.effectiveDirective);
        if (blocked.length === 2) done(blocked.sort());
      });
      const script = document.createElement('script');
      script.textContent = 'document.title = "owned"';
      document.body.append(script);
      document.body.append(
        Object.assign(new Image(), {src: 'http://127.0.0.1:9/picture.png'}));
    })"""
    with browsers.opened(chromium, report) as seen:
        assert seen.page.evaluate(attack) == ["img-src", "script-src-elem"]
        assert seen.page.title() == "A week"


@pytest.mark.parametrize("width", WIDTHS)
def test_only_tables_and_plots_scroll_sideways(
    chromium: Browser, report: Path, hostile: Path, width: int
) -> None:
    for path in (report, hostile):
        with browsers.opened(chromium, path, width=width) as seen:
            open_all(seen.page)
            root = "document.documentElement"
            assert seen.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
            # Nor may text be cut off: outside of what scrolls nothing is wider than the page.
            wide = seen.page.evaluate(
                "[...document.querySelectorAll('main *')]"
                ".filter(one => !one.closest('.scroll, pre'))"
                f".filter(one => one.getBoundingClientRect().right > {width} + 1)"
                ".map(one => one.outerHTML.slice(0, 200))"
            )
            assert wide == []


def test_a_phone_is_told_to_scroll_plots_and_no_option_breaks_at_a_hyphen(
    chromium: Browser, report: Path
) -> None:
    for width in WIDTHS:
        with browsers.opened(chromium, report, width=width) as seen:
            hints = seen.page.locator(".sideways").all()
            assert len(hints) == seen.page.locator(".plot").count() > 0
            scrolls = "one => one.scrollWidth > one.clientWidth"
            for plot in seen.page.locator("figure").all():
                wider = plot.locator(".scroll").evaluate(scrolls)
                assert plot.locator(".sideways").is_visible() == wider == (width < 500)
            option = seen.page.locator("#warnings .option")
            assert option.inner_text() == "--wait-a-little-longer"
            assert option.evaluate("one => one.getClientRects().length") == 1


def test_the_first_table_has_each_model_with_published_figures_beside_it(
    chromium: Browser, report: Path
) -> None:
    with browsers.opened(chromium, report) as seen:
        rows = [texts(row) for row in seen.page.locator("#models tr").all()]
        published = [texts(row)[0] for row in seen.page.locator("#models tr.published").all()]
    assert rows[0][:6] == ["model", "test", "tok/s", "95 % interval", "n", "peak"]
    assert [row[0] for row in rows[1:]] == [
        "qwen3-30b-a3b",
        "qwen3:30b-a3b (ollama)",
        "qwen3-30b-a3b (published)",
        "tiny-moe (synthetic)",
        "tiny-dense (synthetic)",
    ]
    assert published == ["qwen3-30b-a3b (published)"]
    own = rows[1]
    assert own[1] == "tg128"
    low, high = map(float, own[3].split("–"))
    assert low <= float(own[2]) <= high
    assert own[4] == "10"
    assert own[6].startswith("FAIL 0/20 (")
    assert "mlx 0.32.4" in own[8]
    assert rows[2][8] == "Ollama 0.32.1"
    assert rows[3][2:5] == ["72.1", "–", "–"]


def test_every_table_has_a_caption_headings_with_scope_and_whole_rows(
    chromium: Browser, report: Path
) -> None:
    with browsers.opened(chromium, report) as seen:
        open_all(seen.page)
        tables = seen.page.locator("table").all()
        assert len(tables) >= 7
        for table in tables:
            assert table.locator("caption").inner_text().strip()
            columns = table.locator("thead th[scope=col]").count()
            for row in table.locator("tbody tr:not(.more)").all():
                assert row.locator("th[scope=row]").count() == 1
                assert row.locator("th, td").count() == columns
            assert {
                cell.get_attribute("colspan") for cell in table.locator("tr.more td").all()
            } <= {str(columns)}


def test_every_result_has_n_interval_conditions_and_command(
    chromium: Browser, report: Path, gathered: Gathered
) -> None:
    with browsers.opened(chromium, report) as seen:
        timed = sum(isinstance(one.run.arm.task, Timed) for one in gathered.summaries)
        results = seen.page.locator("tr.result").all()
        more = seen.page.locator("tr.more").all()
        assert len(results) == len(more) == timed
        for result, details in zip(results, more, strict=True):
            test, tps, interval, n, *_ = texts(result)
            assert re.fullmatch(r"[\d.]+", tps), test
            assert (interval == "–") == (n == "1")
            assert re.search(r"M3 Ultra|EPYC", details.locator("summary").inner_text())
            command = details.locator("pre")
            assert not command.is_visible()
            details.locator("summary").click()
            assert command.is_visible()
            assert command.inner_text().startswith("mlxbench ")


def test_a_name_in_the_first_table_leads_to_its_opened_conditions(
    chromium: Browser, report: Path
) -> None:
    with browsers.opened(chromium, report) as seen:
        seen.page.get_by_role("link", name="qwen3-30b-a3b", exact=True).click()
        shown = seen.page.locator("details:has(:target)")
        assert shown.evaluate("one => one.open")
        assert "mlxbench decode --model qwen3-30b-a3b" in shown.inner_text()
        assert "the machine was warm; let it cool" in shown.inner_text()
        assert "the machine was warm" in seen.page.locator("#warnings").inner_text()


def test_every_plot_is_seen_and_says_how_it_was_made(
    chromium: Browser, report: Path, gathered: Gathered
) -> None:
    with browsers.opened(chromium, report) as seen:
        articles = seen.page.locator("#plots article").all()
        assert [one.locator("h3").inner_text() for one in articles] == [
            plot.title for plot in plots(gathered)
        ]
        for article in articles:
            box = article.locator("svg").bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 100
            assert len(article.locator("figcaption").inner_text()) > 40
            article.locator("summary").click()
            assert article.locator("pre").first.inner_text().startswith("mlxbench ")
        ids = seen.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids))


def test_every_comparison_says_what_was_found_from_how_many_pairs_and_how(
    chromium: Browser, report: Path, gathered: Gathered
) -> None:
    with browsers.opened(chromium, report) as seen:
        articles = seen.page.locator("#comparisons article").all()
        assert len(articles) == len(gathered.comparisons) == 2
        for article in articles:
            assert re.search(r"95 %: .+; \d+ pairs", article.locator(".finding").first.inner_text())
            article.locator("summary").click()
            assert "seed" in article.inner_text()
            assert "Apple M3 Ultra" in article.inner_text()
            assert "mlxbench compare" in article.locator("pre").inner_text()
        with_null = seen.page.locator("article", has_text="A again")
        assert "noise floor: A again" in with_null.locator(".finding").last.inner_text()


def test_light_and_dark_differ_and_both_are_readable(chromium: Browser, report: Path) -> None:
    looks = []
    for dark in (False, True):
        with browsers.opened(chromium, report, dark=dark) as seen:
            open_all(seen.page)
            least, where = browsers.least_contrast(seen.page)
            assert least >= 4.5, where
            looks.append(
                seen.page.evaluate(
                    "['body', 'td', '#plots svg text'].map(one => {"
                    "const style = getComputedStyle(document.querySelector(one));"
                    "return [style.color, style.backgroundColor, style.fill]})"
                )
            )
    light, dark_look = looks
    assert all(a != b for a, b in zip(light, dark_look, strict=True))
    assert light[0][1] == "rgb(255, 255, 255)"


def test_on_paper_it_is_light_and_nothing_is_cut_off(chromium: Browser, report: Path) -> None:
    with browsers.opened(chromium, report, width=A4, dark=True) as seen:
        seen.page.emulate_media(media="print")
        open_all(seen.page)
        body = "getComputedStyle(document.body)"
        assert seen.page.evaluate(f"{body}.backgroundColor") == "rgb(255, 255, 255)"
        assert not seen.page.get_by_role("navigation").is_visible()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= A4


def test_headings_and_landmarks_are_in_order(chromium: Browser, report: Path) -> None:
    with browsers.opened(chromium, report) as seen:
        levels = seen.page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map(one => Number(one.tagName[1]))"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        for role in ("banner", "navigation", "main", "contentinfo"):
            assert seen.page.get_by_role(role).count() == 1, role
        for link in seen.page.locator("nav a").all():
            assert seen.page.locator(link.get_attribute("href") or "").count() == 1


def test_hostile_text_is_shown_and_does_nothing(chromium: Browser, hostile: Path) -> None:
    with browsers.opened(chromium, hostile) as seen:
        open_all(seen.page)
        assert seen.requests == [hostile.as_uri()]
        assert seen.complaints == []
        assert seen.page.title() == HOSTILE[2]
        assert seen.page.locator("script, img, main h1").count() == 0
        shown = seen.page.locator("main").inner_text()
        for name in HOSTILE[:3]:
            assert shown.count(name) >= 5, name
        everything = seen.page.locator("html").text_content() or ""
    kinds = {unicodedata.category(character) for character in everything if character != "\n"}
    assert not {kind for kind in kinds if kind.startswith("C")}
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\x00]", hostile.read_text())


def test_without_a_browser_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(browsers.VARIABLE, raising=False)
    monkeypatch.setattr(browsers, "MAC_PLACES", ())
    with pytest.raises(browsers.NoBrowserError, match="install one"):
        browsers.browser_path()
    monkeypatch.setenv(browsers.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(browsers.NoBrowserError, match=re.escape(str(tmp_path / "none"))):
        browsers.browser_path()
