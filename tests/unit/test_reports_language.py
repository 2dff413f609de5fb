# ruff: noqa: RUF001 (Chinese signs)
from __future__ import annotations

import json
import pickle
import re
from html.parser import HTMLParser

import pytest
from babel.messages.catalog import Catalog
from jinja2 import nodes
from matplotlib.figure import Figure
from PIL import Image

from reports.__main__ import main
from reports.build import build_report
from reports.document.html import page_environment
from reports.formatting import format_quantity, list_names
from reports.labels import condition_label, in_sentence, task_label
from reports.language import ENGLISH, LANGUAGES, languages
from reports.load import load
from reports.messages import (
    join_and,
    join_clauses,
    join_commas,
    join_sentences,
    join_texts,
    message,
    ngettext,
    stored_text,
    with_labels,
)
from reports.pages.setup import caveats, setup_facts
from reports.subsets import main_subset
from reports.verdict import verdict_of
from tests.support import translations
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, gamma_study, write_runs

ZH = LANGUAGES["zh"]
TEMPLATES = ("document", "gallery", "scatter", "origins")
_FIELDS = re.compile(r"\{[^{}]*\}")


@pytest.fixture(scope="module")
def catalogue():
    return translations.read()


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


def test_the_catalogue_has_every_text_and_no_other(catalogue):
    keys = lambda c: {(m.context, m.id) for m in c if m.id}  # noqa: E731
    wanted = keys(translations.extracted())
    assert len(wanted) > 500
    assert keys(catalogue) == wanted, "make translations"
    assert not catalogue.obsolete


def test_every_text_is_translated_and_none_is_fuzzy(catalogue):
    assert [m.id for m in catalogue if m.id and (m.fuzzy or not m.string or not all(m.string))] == []


def test_translations_name_the_same_values(catalogue):
    def differ(m):
        english = {tuple(sorted(_FIELDS.findall(text))) for text in ([m.id] if isinstance(m.id, str) else m.id)}
        told = {
            tuple(sorted(_FIELDS.findall(text))) for text in ([m.string] if isinstance(m.string, str) else m.string)
        }
        return told != english

    assert [m.id for m in catalogue if m.id and differ(m)] == []


def test_a_translation_that_loses_a_value_is_found():
    odd = Catalog(locale="zh_CN")
    odd.add("{n} of {all}", "{n}")
    with pytest.raises(AssertionError):
        test_translations_name_the_same_values(odd)


TOOLTIP = "Latency and peak memory are for one image; ranges are in each cell's tooltip and in the CSV."
GLOSSARY = {  # word of the field -> (an English pattern, or None for every text; the forbidden Chinese variant)
    "复原": (r"(?i)restor", r"恢复"),
    "文本提示": (None, r"(?<!文本)(?<!悬停)提示"),
    "随机种子": (None, r"(?<!随机)种子(?! [\d{])"),  # `种子 {seed}` is the label of a run
    "基线": (None, r"参照"),
    "显著": (r"(?i)significan", r"^(?!.*显著)"),
}


def texts_against_the_glossary(catalogue):
    """(term, English, Chinese) of each translation that does not use the term."""
    forms = lambda text: [text] if isinstance(text, str) else list(text)  # noqa: E731
    return [
        (term, m.id, chinese)
        for m in catalogue
        if m.id
        for term, (english, forbidden) in GLOSSARY.items()
        if english is None or any(re.search(english, text) for text in forms(m.id))
        for chinese in forms(m.string)
        if re.search(forbidden, chinese)
    ]


def test_translations_use_the_terms_of_the_field(catalogue):
    assert texts_against_the_glossary(catalogue) == []
    assert "悬停提示" in catalogue.get(TOOLTIP).string, "a tooltip is no prompt"


@pytest.mark.parametrize(
    ("english", "chinese", "terms"),
    [
        ("Restored", "恢复后", ["复原"]),
        ("a linear map can't recover it", "线性映射无法恢复", []),
        ("the prompt", "提示", ["文本提示"]),
        ("random prompt", "随机文本提示", []),
        ("{n} seeds", "{n} 个种子", ["随机种子"]),
        ("Means over seeds.", "对种子取平均。", ["随机种子"]),
        ("seed {seed}", "种子 {seed}", []),
        ("the reference, {reference}", "参照 {reference}", ["基线"]),
        ("not significantly different", "无法区分", ["显著"]),
    ],
)
def test_a_translation_against_the_glossary_is_found(english, chinese, terms):
    odd = Catalog(locale="zh_CN")
    odd.add(english, chinese)
    assert [term for term, *_ in texts_against_the_glossary(odd)] == terms


def test_the_header_is_filled_and_kept(tmp_path, monkeypatch):
    committed = translations.PO.read_bytes()
    header = committed.decode().partition("\n\n")[0]
    assert '"Project-Id-Version: DFPIR suite\\n"\n' in header
    assert '"Language: zh_CN\\n"\n' in header
    assert not re.search(r"fuzzy|PROJECT|ORGANIZATION|FULL NAME|YEAR|EMAIL|@", header)
    copy = tmp_path / "reports.po"
    copy.write_bytes(committed)
    monkeypatch.setattr(translations, "PO", copy)
    assert translations.main() == 0
    assert copy.read_bytes() == committed


def test_the_compiled_catalogue_is_that_of_the_text(catalogue):
    assert translations.PO.with_suffix(".mo").read_bytes() == translations.compiled(catalogue), "make translations"


def test_no_word_of_the_templates_escapes_translation():
    assert bare_texts() == []


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
    loaded = main_subset(load([write_runs(tmp_path, study)]))
    found = verdict_of(loaded)
    said = [found.headline, *found.sentences, *caveats(loaded)]
    for text in filter(None, said):
        translated = ZH.translate(text)
        numbers = lambda t: sorted(re.findall(r"\d+(?:[.,]\d+)*", t))  # noqa: E731
        assert numbers(translated) == numbers(text)
        left = re.sub(
            r"PSNR|dB|Holm|Wilcoxon|Student t|CLIP|ViT-B/32|MiniLM|minilm|dfpir_g\d+|restormer|\b[ab]\b", "", translated
        )
        assert not re.search(r"[A-Za-z]{2,}", left), (text, translated)
    assert [ZH.translate(name) for name, _ in setup_facts(loaded)[:2]] == ["研究", "变体"]


def test_a_text_is_its_english_and_knows_its_translation():
    said = message("Not learned: {variants}.", variants=join_and(["a", "b"]))
    assert said == "Not learned: a and b."
    assert ZH.translate(said) == "未学会：a 和 b。"
    assert ENGLISH.translate(said) == said
    assert type(ENGLISH.translate(said)) is str


def test_texts_inside_texts_are_translated():
    conditions = join_and([task_label("haze"), task_label("lowlight")])
    said = message("Not learned: {variants}.", variants=conditions)
    assert said == "Not learned: haze and low light."
    assert ZH.translate(said) == "未学会：雾和低光照。"
    clauses = join_clauses([message("unfinished"), "x"])
    assert (clauses, ZH.translate(clauses)) == ("unfinished; x", "未结束；x")
    assert ZH.translate(join_commas([condition_label("rain"), "y"])) == "雨、y"
    both = join_sentences(
        [message("Average: plain mean over the columns."), "", message("Not part of the table above.")]
    )
    assert both == "Average: plain mean over the columns. Not part of the table above."
    assert ZH.translate(both) == "平均：各列的简单均值。不在上表之中。"


@pytest.mark.parametrize("name", ["clean", "no", "Noise", "Rain", "a and b", "done", "{x}", "模型a"])
def test_names_are_never_translated(name):
    said = message("{variant} on {condition}", variant=name, condition=task_label("rain"))
    assert said == f"{name} on rain"
    assert ZH.translate(said) == f"{name}（雨）"
    assert ZH.translate(name) == name


def test_a_text_in_a_study_file_is_translated_only_if_it_is_ours():
    assert ZH.translate(stored_text("Three tasks in one model")) == "一个模型处理三个任务"
    assert ZH.translate(stored_text("Noise")) == "去噪", "the label of a task names the restoration"
    for text in ("Fog", "", "50 {percent}", "My own study"):
        assert stored_text(text) == text
        assert ZH.translate(stored_text(text)) == text


def test_numbers_choose_the_english_form_alone():
    assert [format_quantity(n, "seed") for n in (1, 2, 1200)] == ["1 seed", "2 seeds", "1,200 seeds"]
    assert [ZH.translate(format_quantity(n, "seed")) for n in (1, 2)] == ["1 个随机种子", "2 个随机种子"]
    left = ngettext(
        "{n:,} score was left out because another run lacks the image.",
        "{n:,} scores were left out because another run lacks the image.",
        1,
    )
    assert left.startswith("1 score was left out")
    assert ZH.translate(left) == "1 个分数因另一运行缺少该图像而未计入。"
    assert ZH.translate(list_names(["a", "b", "c", "d", "e"])) == "a、b、c 和另外 2 个"


def test_labels():
    told = {c: ZH.translate(condition_label(c)) for c in ("noise-25", "rain", "rain-200", "rain+noise-25", "other")}
    assert told == {
        "noise-25": "噪声 σ=25", "rain": "雨", "rain-200": "雨（雨滴 200%）", "rain+noise-25": "雨 + 噪声 σ=25", "other": "other",
    }  # fmt: skip
    assert in_sentence(condition_label("rain+noise-25")) == "rain + noise σ=25"
    assert ZH.translate(in_sentence(condition_label("lowlight"))) == "低光照"


def test_texts_travel_between_processes():
    for text in (
        format_quantity(3, "seed"),
        join_texts(["a", message("done")], " · "),
        task_label("rain"),
        stored_text("Noise"),
    ):
        again = pickle.loads(pickle.dumps(text))
        assert (again, ZH.translate(again)) == (text, ZH.translate(text))


def test_a_chinese_sign_beside_a_latin_letter_has_a_blank():
    assert ZH.fill("以{seeds}在{v}中", {"seeds": "3 个", "v": "雾"}) == "以 3 个在雾中"


def test_an_unknown_language_is_one_line():
    with pytest.raises(ValueError, match=r"No page in the language 'xx'\. Known: en, zh\."):
        languages("xx")


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
    made_up = (loaded.title, loaded.question, loaded.data["description"], "keeps the same")
    english = re.compile(r"(?:\b[A-Za-z][a-z']+[ ,;:]+){2}[A-Za-z]+")
    left = [text for text in dict.fromkeys(texts.found) if english.search(text)]
    assert [text for text in left if not any(own in text for own in made_up)] == []


def test_variants_are_told_by_their_labels_where_they_are_values():
    labels = {"dfpir_g50": "DFPIR, half", "no": "None"}
    said = message(
        "{names} and {one}: no {what}", names=join_and(["dfpir_g50", "no"]), one="dfpir_g50", what="dfpir_g50x"
    )
    assert with_labels(said, labels) == "DFPIR, half; None and DFPIR, half: no dfpir_g50x"
    assert with_labels(task_label("rain"), {"rain": "other"}) == "rain"  # a text of the page is no name
    assert ZH.translate(
        with_labels(message("{variant} on {condition}", variant="no", condition=task_label("rain")), labels)
    ).startswith("None")
