# ruff: noqa: RUF001 (Chinese signs)
from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from jinja2 import nodes
from matplotlib.figure import Figure
from PIL import Image

from reports.build import build_report, main
from reports.html import page_environment
from reports.language import LANGUAGES, language
from reports.load import load
from reports.page import facts, remarks
from reports.parts import main_part
from reports.render import script_texts
from reports.verdict import verdict_of
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, gamma_study, write_runs

ZH = LANGUAGES["zh"]
TEMPLATES = ("report", "gallery", "scatter", "origins", "measures", "grid", "reported")


def fixed_texts():
    """Every text that a template of the page or one of its scripts marks as to be translated."""
    environment = page_environment()
    found = list(script_texts())
    for name in TEMPLATES:
        tree = environment.parse(environment.loader.get_source(environment, f"{name}.html.j2")[0])
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_" and isinstance(call.args[0], nodes.Const):
                found.append(call.args[0].value)
    return sorted(set(found))


def bare_texts():
    """Words of the templates that are not marked."""
    environment = page_environment()
    found = []
    for name in TEMPLATES:
        tree = environment.parse(environment.loader.get_source(environment, f"{name}.html.j2")[0])
        text = "".join(
            "\0" if not isinstance(piece, nodes.TemplateData) else piece.data
            for output in tree.find_all(nodes.Output)
            for piece in output.nodes
        )
        found += re.findall(r">\s*([^<>\0]*[A-Za-z]{2,}[^<>\0]*)<", text)
        found += re.findall(r'(?:aria-label|title|alt)="([^"\0]*[A-Za-z]{2,}[^"]*)"', text)
    return [text.strip() for text in found]


def test_no_fixed_text_lacks_a_translation():
    texts = fixed_texts()
    assert len(texts) > 100
    assert [text for text in texts if text not in ZH.catalogue] == []


def test_every_shipped_study_is_named_in_chinese():
    from ablations.registry import STUDIES

    texts = [text for study in (STUDIES[name]() for name in STUDIES) for text in (study.title, study.question)]
    assert len(texts) > 20
    assert [text for text in texts if ZH.sentence(text) == text] == []


def test_no_word_of_the_templates_escapes_translation():
    assert bare_texts() == []


def test_translations_name_the_same_values():
    names = lambda text: set(re.findall(r"\{(\w+)\}", text))  # noqa: E731
    assert {key: value for key, value in ZH.catalogue.items() if names(key) != names(value)} == {}
    assert all(value.strip() for value in ZH.catalogue.values())


@pytest.mark.parametrize(
    "study",
    [
        gamma_study(pictures=False),
        gamma_study(pictures=False, seeds=(0,), failed=()),
        gamma_study(pictures=False, seeds=(0, 1, 2), failed=(), seed_sd_db=0.5),
        FakeStudy(effect_db={"a": 0.0, "b": -9.0}, seeds=(0, 1), pictures=False),
        FakeStudy(effect_db={"a": 0.0}, pictures=False),
        FakeStudy(effect_db={"a": 0.0}, seeds=(0,), not_run=(("a", 0),)),
    ],
)
def test_computed_sentences_are_translated_with_every_number(tmp_path, study):
    loaded = main_part(load([write_runs(tmp_path, study)]))
    found = verdict_of(loaded)
    said = [found.headline, *found.sentences, *remarks(loaded)]
    for text in filter(None, said):
        translated = ZH.sentence(text)
        numbers = lambda t: sorted(re.findall(r"\d+(?:[.,]\d+)*", t))  # noqa: E731
        assert numbers(translated) == numbers(text)
        left = re.sub(
            r"PSNR|dB|Holm|Wilcoxon|Student t|CLIP|ViT-B/32|MiniLM|minilm|dfpir_g\d+|restormer|\b[ab]\b", "", translated
        )
        assert not re.search(r"[A-Za-z]{2,}", left), (text, translated)
    assert [ZH.sentence(name) for name, _ in facts(loaded)[:2]] == ["研究", "变体"]


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        (
            "3 of 8 planned contrasts differ from zero at 95%, by PSNR averaged over the columns; in 4 of them the average "
            "hides a trade between tasks; 1 more can't be estimated yet.",
            "按各列平均的 PSNR，8 个计划对比中有 3 个在 95% 置信水平上显著不为零；其中 4 个的平均值掩盖了任务间的此消彼长；另有 1 个尚不可估计。",
        ),
        (
            "a − b: −0.46 dB [−1.11, +0.18], no difference could be shown; the average hides a trade: +3.05 dB on haze, "
            "−3.18 dB on noise.",
            "a − b：−0.46 dB [−1.11, +0.18]，差异不显著；平均值掩盖了任务间的此消彼长：+3.05 dB（雾）、−3.18 dB（噪声）。",
        ),
        (
            "a − b: +0.46 dB [−0.11, +1.18], no difference could be shown; shown by task: +1.06 dB on motion blur.",
            "a − b：+0.46 dB [−0.11, +1.18]，差异不显著；按任务有显著差异：+1.06 dB（运动模糊）。",
        ),
        (
            "7 more planned contrasts: 2 above zero, 5 without a difference shown (table “Planned contrasts”).",
            "另有 7 个计划对比：2 个高于零、5 个差异不显著（见“计划对比”表）。",
        ),
        ("Nothing to estimate, one model under several names: a − b.", "无可估计，同一模型的不同名称：a − b。"),
        (
            "Diverged, more than 1 dB below the degraded input on a task that it was trained on: a seed 1 (−1.28 dB on "
            "motion blur) and b seed 0 (−1.03 dB on noise). Such runs stay in every number here.",
            "发散（在某个训练过的任务上低于退化输入超过 1 dB）：a 种子 1（运动模糊 −1.28 dB）和 b 种子 0（噪声 −1.03 dB）。"
            "此处所有数值均包含这些运行。",
        ),
        (
            "Without them the verdict is another for a − b (column average) and a − b (noise) (contrasts.csv).",
            "去掉它们后结论不同的有：a − b（列平均）和 a − b（噪声）（见 contrasts.csv）。",
        ),
        (
            "No variant restores noise and rain: they are left as they are (gains within 0.05 dB).",
            "没有变体能复原噪声和雨：输出与输入相当（增益在 0.05 dB 以内）。",
        ),
        ("No variant restores rain: it is left as it is or made worse.", "没有变体能复原雨：输出与输入相当或更差。"),
        (
            "Returns its input (gain within 0.05 dB): a on rain and b on motion blur.",
            "输出与输入相当（增益在 0.05 dB 以内）：a（雨）和 b（运动模糊）。",
        ),
    ],
)
def test_sentences_that_few_studies_need(text, translated):
    assert ZH.sentence(text) == translated


def test_lists_and_labels_inside_sentences():
    assert (
        ZH.sentence("Not estimable yet: a, b and 3 more; unfinished: c.") == "尚不可估计：a、b 和另外 3 个；未完成：c。"
    )
    assert (
        ZH.sentence("Every variant is better than its input on haze and low light.")
        == "所有变体都优于其输入：雾和低光照。"
    )
    assert (
        ZH.sentence("Worse than its input: a on noise (−0.70 dB) and b on motion blur (−0.10 dB).")
        == "差于输入：a（噪声，−0.70 dB）和 b（运动模糊，−0.10 dB）。"
    )
    assert ZH.sentence("Rain, image 7: restored by x, PSNR 21.00 dB") == "雨，图像 7：由 x 恢复，PSNR 21.00 dB"


def test_what_has_no_translation_stays_as_it_is():
    for text in ("An odd sentence. Small talk on Rain, here.", "dfpir_g90", "", " "):
        assert ZH.sentence(text) == text
    half = ZH.sentence("Small rings are single seeds. Nobody wrote this.")
    assert half == "小圆圈为单个种子。Nobody wrote this."
    described = "embedded · photographs, rocket to train on · checksum d583"
    assert ZH.sentence(described) == "embedded · photographs, rocket to train on · 校验和 d583"
    assert language("en").sentence("Rain") == "Rain"


def test_an_unknown_language_is_one_line():
    with pytest.raises(ValueError, match=r"No page in the language 'xx'\. Known: en, zh\."):
        language("xx")


def test_chinese_page_stands_beside_the_english_one(tmp_path, capsys):
    evil = "<img src=x onerror=alert(1)>"
    study = FakeStudy(effect_db={evil: 0.0, "b": 0.1}, seeds=(0,), failed=((evil, 0),), pictures=False)
    folder = write_runs(tmp_path, study)
    assert main([str(folder), "--lang", "zh"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.zh.html")
    page = (folder / "report.zh.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in page
    assert '<h2 id="h-result">结果</h2>' in page
    assert evil not in page
    english = (folder / "report.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in english
    assert build_report([folder]).read_text(encoding="utf-8") == english
    assert not re.search("[\u4e00-\u9fff]", english)


class Texts(HTMLParser):
    """What a page's reader sees or hears: texts, alternative texts and labels, without code and folded tracebacks."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("alt", "title", "aria-label") and value]
        if tag not in ("br", "hr", "img", "input", "link", "meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style", "code", "pre"} & set(self.open) and data.strip():
            self.found.append(" ".join(data.split()))


def savefig(figure, target, **_):
    """In place of matplotlib's, for a path or an open file: the words of a page need no picture."""
    Image.new("L", (1, 1)).save(target, format="PNG")


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_no_sentence_of_a_full_page_stays_english(tmp_path, monkeypatch, seeds):
    """Every figure and every measure; three English words in a row are a sentence that has no translation."""
    monkeypatch.setattr(Figure, "savefig", savefig)
    study = gamma_study(seeds=seeds, failed=(), patches=4, gains=len(seeds) > 1)
    folder = write_runs(tmp_path, study)
    write_measures(tmp_path, study)
    page = build_report([folder], tmp_path / "out", lang="zh").read_text(encoding="utf-8")
    points = re.search(r'id="scatter-data">(.*?)</script>', page).group(1)
    assert [c["label"] for c in json.loads(points)["conditions"]][3:] == ["雨", "雾", "运动模糊", "低光照"]
    texts = Texts()
    texts.feed(page)
    assert len(texts.found) > 1000
    loaded = load([folder])
    made_up = (loaded.title, loaded.question, loaded.data["description"])
    english = re.compile(r"(?:\b[A-Za-z][a-z']+[ ,;:]+){2}[A-Za-z]+")
    left = [text for text in dict.fromkeys(texts.found) if english.search(text)]
    assert [text for text in left if not any(own in text for own in made_up)] == []
