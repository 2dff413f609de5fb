"""How much a page asks of its reader."""

import pytest

from reports.document.size import page_size

PAGE = """<!DOCTYPE html><html><head><title>not counted</title><style>a b</style></head><body>
<p>one two<br>three</p>
<details><summary>four</summary><p>folded away</p><details><summary>also folded</summary>x</details></details>
<details open><summary>five</summary><p>six</p></details>
<div class="tabs"><div class="tab">seven</div><div class="tab">second tab <div class="tab">in it</div></div></div>
<div class="wide scene">eight <img alt="not counted" src=""></div><div class="scene">another scene</div>
<div class="tabs"><div class="tab">nine</div></div>
<pre>python -m reports size</pre><script>let words = 1;</script></body></html>"""


def test_words_on_display_are_those_that_nothing_hides(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(PAGE, encoding="utf-8")
    size = page_size(path)
    assert size.first_words == 9
    assert size.words == 9 + 2 + 3 + 4 + 2
    assert size.bytes == len(PAGE)


def test_no_page_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        page_size(tmp_path / "report.html")
    (tmp_path / "figure.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"figure\.png is no HTML page"):
        page_size(tmp_path / "figure.png")
