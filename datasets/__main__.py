"""`python -m datasets`: list, check, fetch, pack, show and score the field's data sets."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.catalog import catalog, get_dataset
from datasets.console import Parser, format_error, make_output_safe
from datasets.tasks import PAPER_TASKS, condition_named, known_tasks, task_named

if TYPE_CHECKING:
    from datasets.catalog.finder import LocalDataset
    from datasets.check import CheckReport
    from datasets.score import InputScores

_MAX_LISTED = 20  # problems of one set printed in full; --json holds them all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when all is well, 1 when data has problems, 2 for a wrong request."""
    make_output_safe()
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {format_error(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. The same command resumes.\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    listing = add("list", _list, "The sets of the catalogue.")
    listing.add_argument("--json", action="store_true", help="print JSON")
    check = add(
        "check", _check, "Which sets a folder holds, whether complete, paired and aligned; leaks from training to test."
    )
    check.add_argument("root", type=Path, metavar="ROOT")
    check.add_argument("--only", nargs="+", metavar="NAME", help="check these sets only")
    check.add_argument("--workers", type=_positive, default=None, help="decoding threads (default: cores, up to 8)")
    check.add_argument("--json", action="store_true", help="print JSON with every problem")
    fetch = add("fetch", _fetch, "Download a set, or print where to get it and where to put it.")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--root", type=Path, required=True, help="folder that holds the data sets")
    pack = add("pack", _pack, "Decode a set once into a memory-mapped store.")
    pack.add_argument("name", metavar="NAME")
    pack.add_argument("--root", type=Path, required=True, help="folder that holds the data sets")
    pack.add_argument("--out", type=Path, help="folder for the store (default: ROOT)")
    pack.add_argument("--workers", type=_positive, default=min(8, os.cpu_count() or 1), help="decoding threads")
    pack.add_argument("--dry-run", action="store_true", help="print size and time only")
    show = add("show", _show, "Draw a contact sheet of degraded and clean images.")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--root", type=Path, required=True, help="folder that holds the data sets")
    show.add_argument("--out", type=Path, help="PNG to write (default: NAME.png)")
    show.add_argument("--count", type=_positive, default=12, help="images to show (default: 12)")
    scoring = add("score", _score, "PSNR and SSIM of the degraded inputs themselves.")
    scoring.add_argument("folder", type=Path, metavar="FOLDER")
    scoring.add_argument("--protocol", default="suite", help="a protocol's name, or all (default: suite)")
    tasks = ", ".join(task.name for task in PAPER_TASKS)
    scoring.add_argument(
        "--task", metavar="TASK", help=f"score this task only: {tasks}, one of a plug-in, or a level: noise-15"
    )
    scoring.add_argument(
        "--training", type=Path, metavar="ROOT", help="score images that are in ROOT's training sets separately"
    )
    scoring.add_argument("--json", action="store_true", help="print JSON with every image")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _list(options: argparse.Namespace) -> int:
    specs = catalog().values()
    if options.json:
        return _print_json([spec.to_json() for spec in specs])
    rows = [
        [
            s.name,
            s.task.name,
            s.split,
            f"{s.count:,}",
            "pairs" if s.paired else "clean",
            "yes" if s.archives else "by hand",
        ]
        for s in specs
    ]
    _print_table("Data sets", ["name", "task", "split", "images", "kind", "fetch"], rows)
    return 0


def _check(options: argparse.Namespace) -> int:
    from datasets.check import check_root

    def print_progress(name: str, count: int) -> None:
        sys.stderr.write(f"reading {name}: {count:,} images\n")

    report = check_root(options.root, options.only, options.workers, progress=print_progress)
    if options.json:
        _print_json(report.to_json())
    else:
        _print_check(report)
    return 1 if report.problems or not (report.sets or report.stores) else 0


def _print_check(report: CheckReport) -> None:
    rows = [
        [
            s.name,
            s.task,
            f"{s.found:,} of {s.count:,}",
            "yes" if s.whole else "no",
            s.layout,
            str(len(s.problems)),
            s.release or "-",
        ]
        for s in report.sets
    ]
    _print_table(
        f"Sets in {report.root}", ["set", "task", "images", "complete", "layout", "problems", "known as"], rows
    )
    for store in report.stores:
        print(f"{store.name}: packed, {store.images:,} images, {store.says}: {store.folder}")
        for problem in store.problems[:_MAX_LISTED]:
            print(f"{store.name}: {problem.kind}: {problem.subject}: {problem.reason}")
    for checked in report.sets:
        problems = sorted(checked.problems, key=lambda problem: problem.kind == "missing")  # broken files come first
        for problem in problems[:_MAX_LISTED]:
            print(f"{checked.name}: {problem.kind}: {problem.subject}: {problem.reason}")
        if len(checked.problems) > _MAX_LISTED:
            print(f"{checked.name}: and {len(checked.problems) - _MAX_LISTED} more (--json lists all)")
        for note, count in checked.conversions.items():
            print(f"{checked.name}: {count} files: {note}")
        if checked.ignored:
            print(f"{checked.name}: {checked.ignored} files that are hidden or don't look like images were ignored")
    for (test, train), (n_inside, n_outside) in report.overlap_counts().items():
        print(f"overlap: {n_inside} of {n_inside + n_outside} images of {test} stand in {train}; {n_outside} do not")
    print(f"tasks: {', '.join(report.tasks) or 'none'}; not found: {', '.join(report.absent) or 'none'}")
    if not (report.sets or report.stores):
        print("none of the catalogue's sets is here")
    print(f"{len(report.problems)} problems, {report.wall_s:.1f} s")


def _fetch(options: argparse.Namespace) -> int:
    from datasets.fetch import fetch, instructions

    spec = get_dataset(options.name)
    if options.root.exists() and not options.root.is_dir():
        raise ValueError(f"--root {options.root}: that is a file; a folder is needed.")
    if not spec.archives:
        print(f"{spec.title} has no stable public address with a known checksum.\n{instructions(spec, options.root)}")
        return 0
    files = fetch(spec, options.root, options.root / ".downloads")
    print(f"{len(files)} images of {spec.title} in {files[0].parent}")
    print(f"licence: {spec.licence}\ncite: {spec.citation}")
    return 0


def _find_dataset(root: Path, name: str) -> LocalDataset:
    from datasets.catalog.finder import find_sets

    local_sets = find_sets(root, [name])
    if not local_sets:
        raise ValueError(f"{name} is not in {str(root)!r}. `python -m datasets fetch {name} --root {root}` says how.")
    return local_sets[0]


def _pack(options: argparse.Namespace) -> int:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from datasets.store import pack, plan_pack

    plan = plan_pack(_find_dataset(options.root, options.name), options.out or options.root, options.workers)
    print(
        f"{plan.name}: {len(plan.entries):,} images, {plan.bytes / 1e9:.2f} GB, "
        f"about {plan.estimated_wall_s:.1f} s with {options.workers} workers, to {plan.target}"
    )
    if options.dry_run:
        return 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(plan.name, total=len(plan.entries))
        store = pack(plan, options.workers, lambda packed, total: bar.update(task, completed=packed, total=total))
    print(f"{len(store):,} images in {store.path}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from datasets.contact_sheet import save_contact_sheet

    dataset = _find_dataset(options.root, options.name)
    print(save_contact_sheet(dataset, options.out or Path(f"{options.name}.png"), options.count))
    return 0


def _score(options: argparse.Namespace) -> int:
    from datasets.catalog.finder import find_sets
    from datasets.protocols import PROTOCOLS, get_protocol
    from datasets.score import score_inputs
    from datasets.test_sets.opening import TestQuery

    protocols = list(PROTOCOLS.values()) if options.protocol == "all" else [get_protocol(options.protocol)]
    task_names = [task.name for task in known_tasks()]
    is_level = options.task not in (None, *task_names) and options.task.partition("-")[0] in task_names
    condition = condition_named(options.task) if is_level else None
    tasks = (condition.task if condition else task_named(options.task),) if options.task else None
    if options.training and all(local.spec.split != "train" for local in find_sets(options.training)):
        raise ValueError(f"{str(options.training)!r} holds no training set of the catalogue.")
    queries = [TestQuery(rules=protocol, tasks=tasks, training=options.training) for protocol in protocols]
    by_set = list(zip(*(score_inputs(options.folder, query, condition) for query in queries), strict=True))
    results = [result for row in by_set for result in row]
    refused = {fault for result in results for fault in result.refused}
    if options.json:
        rules = [protocol.to_json() for protocol in protocols]
        scores = [result.to_json() for result in results]
        _print_json({"folder": str(options.folder), "protocols": rules, "scores": scores})
    else:
        print("\n".join(protocol.describe() for protocol in protocols))
        for note in dict.fromkeys(note for result in results for note in result.notes):
            print(f"note: {note}")
        for row in by_set:
            _print_scores(row)
        for file, reason in sorted(refused):
            print(f"refused: {file}: {reason}")
    return 1 if refused else 0


def _print_scores(row: Sequence[InputScores]) -> None:
    """One set: a column for each protocol, a line for each condition and part."""
    from datasets.score import PARTS

    means = [{(mean.part, mean.condition): mean for mean in result.means()} for result in row]
    keys = sorted(
        dict.fromkeys(key for condition_means in means for key in condition_means), key=lambda key: PARTS.index(key[0])
    )
    lines = []
    for part, condition in keys:
        row_means = [condition_means.get((part, condition)) for condition_means in means]
        count = max(mean.images for mean in row_means if mean is not None)
        cells = [f"{mean.psnr_db:.2f} / {mean.ssim:.4f}" if mean else "-" for mean in row_means]
        lines.append([condition, part, str(count), *cells])
    head = ["condition", "part", "images", *(result.rules.label for result in row)]
    _print_table(f"{row[0].dataset}: the degraded input, PSNR (dB) / SSIM", head, lines)


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _print_table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Plain aligned text: the same on a terminal, in a pipe and in a log."""
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    print(f"\n{title}")
    for line in [head, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
