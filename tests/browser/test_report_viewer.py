"""The viewer of runs that keep two crops and the complete image: zooms, boxes, errors, lens."""

from __future__ import annotations

import pytest

from reports.build import build_report
from tests.support.browser import STICKING_OUT, opened, wait_until
from tests.support.fake_runs import gamma_study, write_runs

EFFECTS = {"restormer": -0.3, "dfpir_g90": 0.2, "dfpir_g100": 0.0}
# Of each frame: its picture's pixels, and the text that the lens gives below it.
FRAMES = """() => [...document.querySelectorAll(".scene:not([hidden]) .frame")].map((frame) => {
  const image = frame.querySelector("img");
  const copy = document.createElement("canvas");
  copy.width = image.naturalWidth; copy.height = image.naturalHeight;
  copy.getContext("2d").drawImage(image, 0, 0);
  return { source: image.src, alt: image.alt, lens: !frame.querySelector("canvas").hidden,
           text: frame.parentElement.querySelector(".rgb").textContent,
           pixels: [...copy.getContext("2d").getImageData(0, 0, copy.width, copy.height).data] };
})"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    study = gamma_study(effect_db=EFFECTS, seeds=(0,), failed=(), aliases={}, patches=3, zooms=True)
    return build_report([write_runs(root, study)], lang="zh").with_name("report.html")


def show_errors(page):
    page.get_by_label("Show errors").press("Space")
    wait_until(page, "document.querySelector('.scene:not([hidden]) .frame img').alt.startsWith('Absolute')")
    page.evaluate(
        "Promise.all([...document.querySelectorAll('.scene:not([hidden]) .frame img')].map((i) => i.decode()))"
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_complete_image_and_two_zooms_fit(chromium, report, width, scheme):
    with opened(chromium, report, width=width, scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []
        assert page.locator(".overview:visible").count() == 1
        assert page.locator(".overview:visible rect:not(.under)").count() == 2
        picture = page.locator(".overview:visible img").bounding_box()
        box = page.locator(".overview:visible rect.crop-2").bounding_box()
        assert box["x"] - picture["x"] == pytest.approx(picture["width"] * 100 / 192, abs=6)
        assert box["width"] == pytest.approx(picture["width"] * 64 / 192, abs=6)
        stages = page.locator(".stage:visible")
        assert stages.count() == 2
        sides = [stages.nth(n).bounding_box() for n in (0, 1)]
        assert sides[0]["y"] == sides[1]["y"]
        assert sides[0]["width"] == sides[1]["width"] >= 130


def test_both_zooms_show_the_chosen_pair_under_one_divider(chromium, report):
    with opened(chromium, report) as page:
        gains = [float(g) for g in page.locator(".scene").evaluate_all("all => all.map((s) => s.dataset.gain)")]
        assert float(page.locator(".scene:visible").get_attribute("data-gain")) == max(gains) > min(gains)
        corners, choices = page.locator(".stage .corner"), page.locator(".gallery select")
        assert corners.all_inner_texts() == ["degraded", "dfpir_g90"] * 2
        choices.nth(1).select_option(index=1)
        choices.nth(2).select_option(index=4)
        assert corners.all_inner_texts() == ["restormer", "clean"] * 2
        sources = page.locator(".scene:visible .shot img").evaluate_all("all => all.map((i) => i.src)")
        assert page.locator(".stage .over").evaluate_all("all => all.map((i) => i.src)") == sources[2:4]
        page.get_by_role("slider").press("ArrowLeft")
        places = page.locator(".stage").evaluate_all("all => all.map((s) => s.style.getPropertyValue('--at'))")
        assert places == ["49%", "49%"]


def test_errors_are_those_of_the_stored_pixels_on_one_scale(chromium, report):
    with opened(chromium, report) as page:
        before = page.evaluate(FRAMES)
        assert not page.locator(".error-scale").is_visible()
        show_errors(page)
        after = page.evaluate(FRAMES)
        end = float(page.locator(".gallery").get_attribute("data-error-end"))
        assert page.locator(".error-scale").inner_text().startswith(f"0  \u2265 {end:g}")
        assert all(tuple(after[n]["pixels"][:3]) == (0, 0, 4) for n in (-1, -2))  # clean
        page.locator(".scene:visible .frame").nth(2).scroll_into_view_if_needed()
        box = page.locator(".scene:visible .frame").nth(2).bounding_box()
        page.mouse.move(box["x"] + box["width"] * 20.5 / 64, box["y"] + box["height"] * 33.5 / 64)
        at = 4 * (33 * 64 + 20)
        shown = page.evaluate(FRAMES)
        for n in range(0, len(before), 2):
            error = sum(abs(before[n]["pixels"][at + c] - before[-2]["pixels"][at + c]) for c in range(3)) / 3
            assert shown[n]["text"] == f"Error {error:.1f}"
            if error > end:
                assert shown[n]["pixels"][at : at + 3] == [252, 253, 191]
        assert page.locator(".stage .over").first.get_attribute("src") == after[0]["source"]
        page.locator(".gallery select").first.select_option(index=0)  # the choice holds for the next image
        wait_until(page, "document.querySelector('.scene:not([hidden]) .frame img').alt.startsWith('Absolute')")
        page.get_by_label("Show errors").uncheck()
        assert not page.locator(".error-scale").is_visible()
        assert page.locator(".scene:visible .frame img").first.get_attribute("alt").startswith("Noise")
        assert all(
            source.startswith("data:image/png;base64,")
            for source in page.locator(".stage img").evaluate_all("all => all.map((i) => i.src)")
        )


def test_the_lens_goes_from_crop_to_crop(chromium, report):
    with opened(chromium, report) as page:
        group = page.locator(".shots:visible")
        page.get_by_role("slider").focus()
        page.keyboard.press("Tab")
        assert group.evaluate("g => g === document.activeElement")
        status = page.locator(".gallery > .told")
        assert status.inner_text() == "Pixel 32, 32 from the top left of crop 1"
        assert [frame["lens"] for frame in page.evaluate(FRAMES)] == [True, False] * (len(EFFECTS) + 2)
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
        assert status.inner_text() == "Pixel 33, 32 from the top left of crop 2"
        assert [frame["lens"] for frame in page.evaluate(FRAMES)] == [False, True] * (len(EFFECTS) + 2)
        page.keyboard.press("Escape")
        assert not any(frame["lens"] for frame in page.evaluate(FRAMES))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_viewer(chromium, report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed (extra dev)").Axe()
    with opened(chromium, report, scheme=scheme) as page:
        show_errors(page)
        found = axe.run(page, context=".gallery")
        assert found.violations_count == 0, found.generate_report()


def test_without_scripts_the_boxes_are_there(chromium, report):
    with opened(chromium, report, scripts=False) as page:
        assert page.locator(".overview:visible rect.crop-1").count() == 7
        assert page.locator(".shot img:visible").count() == 7 * 2 * (len(EFFECTS) + 2)


def test_the_chinese_viewer_speaks_chinese(chromium, report):
    with opened(chromium, report.with_name("report.zh.html"), width=390) as page:
        assert page.get_by_label("显示误差").is_visible()
        assert page.evaluate(STICKING_OUT) == []
