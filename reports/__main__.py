"""The command line of reports: `python -m reports`, or `dfpir-report`. Reads what runs wrote; never torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reports.console import Parser, format_error, make_output_safe
from reports.files import require_folder
from reports.language import LANGUAGES

Command = Callable[[argparse.Namespace], object]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the requested command; the exit code is 0, or 2 with one line on standard error."""
    make_output_safe()
    parser, commands = _parser()
    options, unknown = parser.parse_known_args(_with_command(list(sys.argv[1:] if argv is None else argv), commands))
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        if getattr(options, "out", None) is not None:
            require_folder(options.out, options.out_name)
        print(commands[options.command](options))
    except (OSError, ValueError) as error:
        print(f"error: {format_error(error, getattr(options, 'out_name', ''))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The same command builds it anew.", file=sys.stderr)
        return 130
    return 0


def _with_command(words: list[str], commands: dict[str, Command]) -> list[str]:
    """The words with their command: RUNS alone ask for `study`; `--all` and `--compare` are older spellings."""
    if not words:
        return ["--help"]
    if words[0] in (*commands, "-h", "--help", "--version"):
        return words
    command_of_flag = {"--all": "index", "--compare": "compare"}
    for flag, command in command_of_flag.items():
        if flag in words:
            return [command, *(word for word in words if word != flag)]
    return ["study", *words]


def _parser() -> tuple[Parser, dict[str, Command]]:
    parser = Parser(
        prog="python -m reports",
        description="Pages, tables (Markdown, LaTeX, CSV) and figures (PNG, SVG, PDF) from what runs wrote. Nothing is "
        "trained, measured or fetched. Without a command: study.",
        epilog="Examples: python -m reports study runs/studies/gamma_sweep-demo-embedded; "
        "python -m reports index runs; python -m reports compare old/studies/NAME new/studies/NAME",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands: dict[str, Command] = {}

    def command(name: str, help_text: str, action: Command, *, lang: bool = True, out: str = "--out") -> Parser:
        subparser: Parser = subparsers.add_parser(
            name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}."
        )
        subparser.set_defaults(out_name=out, parser=subparser)
        if lang:
            subparser.add_argument(
                "--out", type=Path, metavar="DIR", help="where to write (default: next to the input)"
            )
            subparser.add_argument(
                "--lang", choices=tuple(LANGUAGES), default="en", help="zh: also a page in Chinese (default: en)"
            )
        commands[name] = action
        return subparser

    subparser = command("study", "page, tables and figures of a study or of runs", _study)
    subparser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="a study folder, run folders, or a runs root with one study"
    )
    subparser = command("index", "one page over all studies of a runs folder", _index)
    subparser.add_argument("root", nargs="?", type=Path, default=Path("runs"), metavar="ROOT", help="(default: runs)")
    subparser = command("compare", "changes between two folders of a study, and whether they are significant", _compare)
    subparser.add_argument("before", type=Path, metavar="REPORT_A", help="a study's folder")
    subparser.add_argument(
        "after", type=Path, metavar="REPORT_B", help="another of the study, or one that shares variants"
    )
    subparser = command("evaluation", "rebuild the page of an evaluation", _evaluation)
    subparser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="what `python -m ablations.evaluate --out` wrote"
    )
    subparser = command("costs", "page, tables and figures of a cost table", _costs)
    subparser.add_argument("table", type=Path, metavar="TABLE", help="what `python -m ablations.efficiency` wrote")
    subparser.add_argument("--psnr", type=Path, metavar="FOLDER", help="a study's folder: its average PSNR is shown")
    subparser = command("publish", "copy a study's tables with their provenance", _publish, lang=False, out="OUT")
    subparser.add_argument("study", type=Path, metavar="STUDY", help="a study's folder, its report built")
    subparser.add_argument("out", type=Path, metavar="OUT", help="folder to write, e.g. reports/published/NAME")
    subparser.add_argument(
        "--runs", action="store_true", help="copy the finished runs without weights and pictures, not the tables"
    )
    command("reported", "inconsistencies in numbers printed by papers", _reported, lang=False)
    subparser = command("size", "words and bytes of a page", _size, lang=False)
    subparser.add_argument("page", type=Path, metavar="PAGE", help="an HTML page of this command")
    return parser, commands


def _study(options: argparse.Namespace) -> Path:
    from reports.build import build_report

    return build_report(options.runs, options.out, lang=options.lang, warn=_warn)


def _index(options: argparse.Namespace) -> Path:
    from reports.pages.index import build_index

    return build_index(options.root, options.out, lang=options.lang)


def _compare(options: argparse.Namespace) -> Path:
    from reports.pages.comparison import build_comparison

    return build_comparison(options.before, options.after, options.out, lang=options.lang)


def _evaluation(options: argparse.Namespace) -> Path:
    from reports.evaluation import build_page

    return build_page(options.folder, options.out, lang=options.lang)


def _costs(options: argparse.Namespace) -> Path:
    from reports.cost_report import build_report

    return build_report(options.table, study=options.psnr, out=options.out, lang=options.lang)


def _publish(options: argparse.Namespace) -> object:
    from reports.publish import publish, publish_runs

    if options.runs:
        return f"{len(publish_runs(options.study, options.out))} runs copied to {options.out}"
    return publish(options.study, options.out)


def _reported(_: argparse.Namespace) -> str:
    from reports.reported import SETTINGS, flags, reported_rows

    rows = {setting: reported_rows(setting) for setting in SETTINGS}
    counts = [
        f"{name}: {sum(len(r.cells) for r in setting_rows)} cells in {len(setting_rows)} rows"
        for name, setting_rows in rows.items()
    ]
    return "\n".join([*counts, *map(str, flags())])


def _size(options: argparse.Namespace) -> str:
    from reports.document.size import page_size

    size = page_size(options.page)
    return f"{options.page}: {size.words:,} words ({size.first_words:,} on display at first), {size.megabytes:.1f} MB"


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
