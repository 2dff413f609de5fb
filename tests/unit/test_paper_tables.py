"""The studies of the paper's tables: whose rows they have, and a library that is not installed."""

import pytest
import torch
from rich.console import Console

from ablations.budgets import budget_named
from ablations.plan import make_plan
from ablations.registry import STUDIES
from ablations.run_command import _print_summary
from ablations.run_options import RunOptions
from ablations.spec import DataRef
from baselines.registry import EXTRAS
from datasets.tasks import CONDITIONS
from reports.reported import reported_rows
from reports.reported.methods import NOT_TRAINED, VARIANT_OF_METHOD, find_setting

DATA = DataRef(name="made_up", kind="embedded", path=None, checksum="c" * 64, description="none")


def plan(study, only=None):
    return make_plan(
        study,
        budget=budget_named("demo"),
        data=DATA,
        conditions=[c.name for c in CONDITIONS],
        protocol="suite-v1",
        text_encoder="minilm",
        only=only,
    )


@pytest.mark.parametrize(("study", "setting"), [("three_task", "3-task"), ("five_task", "5-task")])
def test_every_method_of_the_papers_table_is_trained_or_said_not_to_be(study, setting):
    methods = {row.method for row in reported_rows(setting) if row.source == find_setting(setting).home}
    assert len(methods) > 7
    missing = {m for m in methods - set(NOT_TRAINED) if VARIANT_OF_METHOD[m] not in STUDIES[study]().variants}
    assert not missing


@pytest.fixture
def no_spandrel(monkeypatch):
    monkeypatch.setitem(EXTRAS, "spandrel", "no_such_library_anywhere")


def test_a_variant_without_its_library_is_left_out_with_one_line(no_spandrel, capsys):
    found = plan("five_task")
    assert "swinir" not in {row.variant for row in found.rows}
    assert {"nafnet", "amir", "dfpir"} <= {row.variant for row in found.rows}
    _print_summary(found, RunOptions(), torch.device("cpu"), Console(width=200))
    said = [line for line in capsys.readouterr().out.splitlines() if "swinir" in line]
    assert len(said) == 1
    assert said[0].startswith("Excluded: swinir needs no_such_library_anywhere, which is not installed: pip install")


def test_the_others_keep_their_ids_without_it(no_spandrel, monkeypatch):
    without = [spec.run_id for spec in plan("five_task").specs]
    monkeypatch.undo()
    monkeypatch.setitem(EXTRAS, "spandrel", "json")  # stands for an installed library
    with_it = [spec.run_id for spec in plan("five_task").specs]
    assert [run for run in with_it if not run.startswith("swinir-")] == without
    assert len(with_it) == len(without) + 1


@pytest.mark.parametrize("only", [["swinir"], ["SwinIR", "nafnet"], ["swin*"]])
def test_asked_for_by_name_it_is_an_error_with_the_mend(no_spandrel, only):
    with pytest.raises(ValueError, match=r"swinir needs .* pip install 'dfpir-suite\[spandrel\]'"):
        plan("five_task", only)
