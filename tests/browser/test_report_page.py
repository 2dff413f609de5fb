"""The report in a real browser: quiet, self-contained, accessible; sorting, filtering, slider, lens, scatter, origins."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from reports.build import build_report
from tests.support.browser import STICKING_OUT, opened, wait_until
from tests.support.fake_runs import gamma_study, run_id_of, write_runs

EVIL = "<img src=x onerror=document.title='broken'>"
EFFECTS = {
    EVIL: -0.4,
    "dfpir_g90": 0.2,
    "dfpir_g100": 0.0,
    "a_variant_with_quite_a_long_name_indeed": 0.1,
    "other": 0.05,
}
TITLE = "Perturbation factor gamma (synthetic test data)"

# The picture's own pixel, and the pixel in the middle of its lens.
PIXELS = """([x, y]) => [...document.querySelectorAll(".scene:not([hidden]) .frame")].map((frame) => {
  const image = frame.querySelector("img"), lens = frame.querySelector("canvas");
  const copy = document.createElement("canvas");
  copy.width = image.naturalWidth; copy.height = image.naturalHeight;
  const ink = copy.getContext("2d");
  ink.drawImage(image, 0, 0);
  const middle = lens.getContext("2d").getImageData(lens.width / 2, lens.height / 2, 1, 1).data;
  return { hidden: lens.hidden, own: [...ink.getImageData(x, y, 1, 1).data], lens: [...middle],
           told: frame.parentElement.querySelector(".rgb").textContent };
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    aliases = {"dfpir_g95": ("dfpir_g90", "the same")}
    study = gamma_study(effect_db=EFFECTS, seeds=(0,), failed=(), aliases=aliases, patches=8)
    return build_report([write_runs(root, study)], lang="zh").with_name("report.html")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_quiet_and_fits(chromium, report, width, scheme):
    with opened(chromium, report, width=width, scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []
        assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
        assert page.title() == TITLE
        assert EVIL in page.locator("#result tbody th").all_inner_texts()  # as text


@pytest.mark.parametrize(("width", "is_column"), [(390, True), (1280, False)])
def test_a_phone_shows_a_figure_whole(chromium, report, width, is_column):
    with opened(chromium, report, width=width) as page:
        box = page.locator(".adapted .paper").first
        assert box.locator("img").evaluate("image => image.naturalWidth") < 1000 or not is_column
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
        assert page.locator(".narrow").first.is_visible() == is_column


@pytest.mark.parametrize(
    ("name", "scheme"), [("report.html", "light"), ("report.html", "dark"), ("report.zh.html", "light")]
)
def test_axe_finds_nothing(chromium, report, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (extra dev)").Axe()
    with opened(chromium, report.with_name(name), scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        page.locator(".key").first.click()
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        page.locator("button.origin").first.click()
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()


def test_tables_sort(chromium, report):
    with opened(chromium, report) as page:
        table = page.locator("#result table").first
        head = table.locator("thead th", has_text="columns")
        values = "t => [...t.tBodies[1].rows].map((r) => Number(r.cells[8].dataset.sort))"
        before = table.evaluate(values)
        head.get_by_role("button").click()
        assert table.evaluate(values) == sorted(before, reverse=True) != before
        head.get_by_role("button").press("Enter")
        assert table.evaluate(values) == sorted(before)
        assert head.get_attribute("aria-sort") == "ascending"
        assert table.locator("tbody th").first.inner_text() == "degraded input"
        assert table.locator("tbody th").nth(1).inner_text() == EVIL


def test_results_stand_a_metric_a_tab(chromium, report):
    with opened(chromium, report) as page:
        tabs = page.locator("#result").get_by_role("tab")
        assert tabs.all_inner_texts() == ["PSNR", "SSIM", "Difference"]
        shown = lambda: page.locator("#result .tab:visible").evaluate_all("all => all.map((t) => t.dataset.title)")  # noqa: E731
        assert shown() == ["PSNR"]
        tabs.nth(1).click()
        assert shown() == ["SSIM"]
        tabs.nth(1).press("ArrowRight")
        assert shown() == ["Difference"]
        assert tabs.nth(2).get_attribute("aria-selected") == "true"
        assert re.search(r"[+\u2212]0\.\d\d", page.locator("#result .tab:visible tbody").first.inner_text())
    with opened(chromium, report, scripts=False) as page:
        assert page.locator("#result .tab:visible").count() == 3


def test_a_table_is_copied_as_latex_and_as_csv(chromium, report):
    with opened(chromium, report) as page:
        page.evaluate(
            "() => { navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; }"
        )
        shown = page.locator("#result .tab:visible")
        shown.get_by_role("button", name="Copy LaTeX").click()
        wait_until(page, "window.copied")
        assert page.evaluate("window.copied") + "\n" in (report.parent / "table.tex").read_text()
        shown.get_by_role("button", name="Copy CSV").click()
        wait_until(page, "window.copied.startsWith('Variant,')")
        assert shown.get_by_role("status").inner_text() == "Copied"
        lines = page.evaluate("window.copied").splitlines()
        means = pd.read_csv(report.parent / "means.csv").set_index(["variant", "condition", "metric"])["mean"]
        row = next(line for line in lines if line.startswith("other,")).split(",")
        assert float(row[lines[0].split(",").index("Haze")]) == pytest.approx(means["other", "haze", "psnr_db"])


def test_long_tables_filter(chromium, report):
    with opened(chromium, report) as page:
        page.get_by_text("All 10 pairwise differences").click()
        pairs = page.locator("#result details", has_text="All 10 pairwise differences")
        field, rows = pairs.get_by_label("Filter rows"), pairs.locator("tbody tr:visible")
        assert rows.count() == 10
        field.fill("G90 other")
        assert rows.count() == 1
        assert pairs.get_by_role("status").inner_text() == "1 of 10 rows"
        field.fill("no such variant")
        assert rows.count() == 0
        page.emulate_media(media="print")
        assert rows.count() == 10  # paper has all rows
        page.emulate_media(media="screen")
        assert rows.count() == 0
        field.press("Escape")
        assert rows.count() == 10
        assert field.input_value() == ""
        assert page.locator("#result").get_by_label("Filter rows").count() == 1  # short tables have none


def test_slider_compares_any_two_pictures(chromium, report):
    with opened(chromium, report) as page:
        gallery = page.locator(".gallery")
        divider, choices = gallery.get_by_role("slider"), gallery.get_by_role("combobox")
        place = lambda: page.locator(".stage").evaluate("s => getComputedStyle(s).getPropertyValue('--at').trim()")  # noqa: E731
        assert place() == "50%"
        divider.press("ArrowRight")
        assert place() == "51%"
        assert "degraded" in divider.get_attribute("aria-valuetext")
        page.locator(".stage").scroll_into_view_if_needed()
        box = page.locator(".stage").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
        page.mouse.up()
        assert (place(), divider.input_value()) == ("25%", "25")
        choices.nth(0).select_option(index=3)
        assert page.locator(".scene:visible h3").inner_text().startswith("Rain")
        choices.nth(1).select_option(index=len(EFFECTS) + 1)
        choices.nth(2).select_option(index=2)
        sources = page.locator(".scene:visible .shot img").evaluate_all("all => all.map((i) => i.src)")
        assert page.locator(".stage .over").get_attribute("src") == sources[-1]
        assert page.locator(".stage img").first.get_attribute("src") == sources[2]
        assert "clean" in page.locator(".stage .over").get_attribute("alt")
        choices.nth(0).select_option(index=4)  # the choice is kept from image to image
        assert choices.nth(1).evaluate("s => s.selectedIndex") == len(EFFECTS) + 1


def test_lens_shows_one_pixel_of_all_methods(chromium, report):
    with opened(chromium, report) as page:
        frames = page.locator(".scene:visible .frame")
        assert frames.count() == len(EFFECTS) + 2
        box = frames.nth(2).bounding_box()
        frames.nth(2).hover(position={"x": box["width"] * 20.5 / 64, "y": box["height"] * 33.5 / 64})
        told = page.locator(".gallery > .told")
        assert told.inner_text() == "Pixel 20, 33 from the top left of the crop"

        def agree(x, y):
            found = page.evaluate(PIXELS, [x, y])
            assert all(not f["hidden"] and f["own"] == f["lens"] for f in found)
            assert [f["told"] for f in found] == ["RGB {} {} {}".format(*f["own"][:3]) for f in found]
            assert len({tuple(f["own"]) for f in found}) > 1

        agree(20, 33)
        page.mouse.move(0, 0)
        assert frames.locator("canvas:visible").count() == 0
        group = page.get_by_role("group", name="Lens over all images")
        page.get_by_role("slider").focus()
        page.keyboard.press("Tab")
        assert group.first.evaluate("g => g === document.activeElement")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowUp")
        agree(21, 25)
        page.keyboard.press("Escape")
        assert frames.locator("canvas:visible").count() == 0


def test_every_cell_leads_back_to_its_runs(chromium, report):
    with opened(chromium, report) as page:
        line = page.locator("#result table").first.locator("tr", has=page.get_by_role("rowheader", name="other"))
        line.locator("button.origin").nth(4).click()
        dialog = page.get_by_role("dialog")
        assert dialog.get_by_role("heading").inner_text() == "other · Haze"
        told = dialog.inner_text()
        means = pd.read_csv(report.parent / "means.csv").set_index(["variant", "condition", "metric"])["mean"]
        psnr, ssim = means["other", "haze", "psnr_db"], means["other", "haze", "ssim"]
        for known in (
            run_id_of("other", 0),
            "aio-rgb",
            "synthetic-test-only",
            "6 images of 3 scenes",
            f"{psnr:.4f}",
            f"{ssim:.4f}",
        ):
            assert known in told
        assert f"Printed\n{psnr:.2f}\n" in told
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        page.keyboard.press("ArrowRight")  # focus is back on the cell
        page.keyboard.press("Enter")
        assert dialog.get_by_role("heading").inner_text() == "other · Motion blur"
        dialog.get_by_role("button", name="Close").click()
        assert not dialog.is_visible()


def test_a_link_into_a_folded_part_unfolds_it(chromium, report):
    with opened(chromium, report) as page:
        assert not page.locator("#orders").is_visible()
        page.evaluate("location.hash = 'orders'")
        page.locator("#orders").wait_for(state="visible")
        assert not page.locator("#runs").is_visible()
        page.locator("nav").get_by_role("link", name="Setup, runs, reproduction").click()
        page.locator("#runs").wait_for(state="visible")


def test_the_viewer_opens_on_the_largest_gain(chromium, report):
    with opened(chromium, report) as page:
        gains = [float(g) for g in page.locator(".scene").evaluate_all("all => all.map((s) => s.dataset.gain)")]
        shown = float(page.locator(".scene:visible").get_attribute("data-gain"))
        assert shown == max(gains) > min(gains)


def test_scatter_switches_perplexity_and_marks_points(chromium, report):
    with opened(chromium, report) as page:
        page.locator("#mechanism > details > summary").click()
        radios = page.get_by_role("radio")
        assert [radio.get_attribute("value") for radio in radios.all()] == ["5", "15"]  # 56 patches allow no more
        places = lambda: page.locator(".panels path").evaluate_all("all => all.map((p) => p.getAttribute('transform'))")  # noqa: E731
        before = places()
        assert len(before) == 5 * 56
        radios.first.check()
        assert all(a != b for a, b in zip(before, places(), strict=True))
        assert page.get_by_role("img", name="perplexity 5").count() == 5
        page.locator(".panels path").nth(10).hover()
        assert page.locator(".panels path.lit").count() == 5  # the same patch in every panel
        assert re.fullmatch(r"Noise .=\d\d, patch \d+ of .+", page.locator(".scatter > .told").inner_text())
        key = page.locator(".keys").get_by_role("button", name="Haze")
        key.press("Enter")
        assert key.get_attribute("aria-pressed") == "true"
        assert page.locator(".panels path.dim").count() == 5 * 48


def test_without_scripts_images_and_tables_are_plain(chromium, report):
    with opened(chromium, report, scripts=False) as page:
        assert page.locator(".shot img:visible").count() == 7 * (len(EFFECTS) + 2)
        alt = page.locator(".shot img").first.get_attribute("alt")
        assert re.fullmatch(r"Noise .=15, image scene0-crop0: degraded by noise .=15, PSNR 23.79 dB", alt)
        assert page.locator(".scripted:visible, dialog:visible").count() == 0
        assert page.locator("#result table").first.is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_chinese_page_speaks_chinese(chromium, report, width):
    with opened(chromium, report.with_name("report.zh.html"), width=width) as page:
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []
        for text in ("变体", "按列", "雾"):
            assert page.locator("#result thead").first.get_by_text(text).is_visible()
        assert page.get_by_role("slider", name="分隔线").is_visible()
        page.locator("#result table").first.locator("button.origin").first.click()
        assert "测试集" in page.get_by_role("dialog").inner_text()
