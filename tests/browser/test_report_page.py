"""The report in a real browser: it renders, sorts, asks the network for nothing and fits phone and desktop."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.build import build_report
from tests.support.fake_runs import gamma_study, write_runs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

EVIL = "<img src=x onerror=document.title='broken'>"

# Runs inside a copy of the page and tells the page around it what it finds.
PROBE = """
window.addEventListener("load", () => {
  const root = document.documentElement;
  const scrolls = (e) => e.closest(".scroll, .paper, pre, nav") !== null;
  const wide = [...document.querySelectorAll("main *")]
    .filter((e) => !scrolls(e) && e.getBoundingClientRect().right > root.clientWidth + 1)
    .map((e) => e.tagName + "." + e.className);
  const table = document.querySelector("table.sortable");
  const names = () => [...table.tBodies[1].rows].map((r) => r.cells[0].textContent.trim());
  const heads = [...table.tHead.rows[0].cells];
  const average = heads.findIndex((h) => h.textContent.startsWith("Average"));
  const values = () => [...table.tBodies[1].rows].map((r) => Number(r.cells[average].dataset.sort));
  const before = names();
  heads[average].querySelector("button").click();
  const down = values();
  heads[average].querySelector("button").click();
  const up = values();
  const found = {
    width: window.innerWidth, page: root.scrollWidth, wide, before, after: names(), down, up,
    sorted: heads[average].getAttribute("aria-sort"), first: table.tBodies[0].rows[0].cells[0].textContent.trim(),
    images: [...document.images].every((i) => i.complete && i.naturalWidth > 100),
    title: document.title, blocked: window.blocked ?? [],
    fetched: performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith("data:")),
  };
  parent.postMessage(found, "*");
});
window.blocked = [];
document.addEventListener("securitypolicyviolation", (e) => window.blocked.push(e.violatedDirective));
"""

# A window can't be as narrow as a phone, a frame can. What the frame finds goes into the DOM, which --dump-dom prints.
FRAME = """<!DOCTYPE html><title>frame</title><body><script>
window.addEventListener("message", (event) => {
  const out = document.createElement("script");
  out.type = "application/json";
  out.id = "found";
  out.textContent = JSON.stringify(event.data);
  document.body.append(out);
});
</script><iframe src="copy.html" width="WIDTH" height="900" style="border:0"></iframe></body>"""


def chromium(profile: Path, *arguments: str) -> str:
    """Run headless Chromium once; returns what it prints."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--hide-scrollbars", f"--user-data-dir={profile}", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    effects = {EVIL: -0.4, "dfpir_g90": 0.2, "dfpir_g100": 0.0, "a_variant_with_quite_a_long_name_indeed": 0.1}
    study = gamma_study(
        effect_db=effects, seeds=(0,), failed=(), pictures=False, aliases={"dfpir_g95": ("dfpir_g90", "the same")}
    )
    return build_report([write_runs(root, study)])


def probed(report: Path, folder: Path, width: int) -> dict:
    """What the probe finds in a copy of the page whose policy also lets the probe run."""
    page = report.read_text(encoding="utf-8")
    script = re.search(r"script-src '[^']+'", page)
    assert script is not None
    page = page.replace(script.group(0), f"{script.group(0)} 'nonce-probe'")
    copy = folder / "copy.html"
    copy.write_text(page.replace("</body>", f'<script nonce="probe">{PROBE}</script></body>'), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    dom = chromium(folder / "profile", "--window-size=1400,1000", "--dump-dom", frame.as_uri())
    found = re.search(r'<script type="application/json" id="found">(.*?)</script>', dom, re.DOTALL)
    assert found is not None, dom[-2000:]
    return json.loads(found.group(1))


@pytest.mark.parametrize("width", [390, 1280])
def test_page_works_and_fits(report, tmp_path, width):
    found = probed(report, tmp_path, width)
    assert found["width"] == width
    assert found["page"] <= width
    assert found["wide"] == []
    assert found["images"]
    assert found["fetched"] == []
    assert found["blocked"] == []
    assert found["title"] == "Perturbation factor gamma (synthetic test data)"
    assert EVIL in found["before"]  # as text
    assert found["down"] == sorted(found["down"], reverse=True)
    assert found["up"] == sorted(found["down"])
    assert found["after"][0] == EVIL
    assert (found["sorted"], found["first"]) == ("ascending", "degraded input")


def test_page_paints(report, tmp_path):
    from PIL import Image

    picture = tmp_path / "page.png"
    chromium(tmp_path / "profile", "--window-size=1280,1600", f"--screenshot={picture}", report.as_uri())
    with Image.open(picture) as shot:
        assert shot.size == (1280, 1600)
        assert len(shot.convert("RGB").getcolors(1 << 24) or ()) > 50
