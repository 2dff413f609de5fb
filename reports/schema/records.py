"""Content of the JSON files of run and study folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from typing import NotRequired  # of Python 3.11


class StudyRow(TypedDict):
    """One planned run in study.json; `alias_of` names the variant that was trained instead, or is None."""

    variant: str
    seed: int
    run_id: str
    alias_of: str | None
    note: str


class Axis(TypedDict):
    """What a study varies: its name ("gamma") and the value of each variant that lies on it."""

    name: str
    values: dict[str, float]


class ContrastRecord(TypedDict):
    """A planned comparison: `weights` of variants' means, which sum to zero."""

    name: str
    label: str
    weights: dict[str, float]
    note: NotRequired[str]  # in what else its sides differ


class StudyFile(TypedDict):
    """study.json; `terms` is a digest of what determines the numbers besides variants and seeds (not in older files).

    `labels` are the variants' names in tables and figures, `ingredients` the parts of the method that they have,
    `macs` multiply-adds of comparators (spec.json has those of DFPIR's variants), `featured` the variants that small
    figures show, `conditioned` those that are told the degradation; older files have none of these. `metrics` are those
    asked for besides `schema.METRICS`, each as `Metric.to_json` gives it; `task_styles` how each of the tasks is shown
    (`TaskStyle`; not in older ones); `figures` name and title of those of other packages.
    """

    schema: int
    study: str
    title: str
    question: str
    budget: dict[str, Any]
    data: dict[str, Any]
    text_encoder: Any
    terms: NotRequired[str]
    axis: Axis | None
    reference: str | None
    rows: list[StudyRow]
    labels: NotRequired[dict[str, str]]
    ingredients: NotRequired[dict[str, dict[str, str]]]
    conditioned: NotRequired[list[str]]
    macs: NotRequired[dict[str, int]]
    featured: NotRequired[list[str]]
    command: str
    reported: str | None
    measures: list[str]
    primary: NotRequired[str]
    tasks: NotRequired[list[str]]
    figures: NotRequired[list[dict[str, str]]]
    task_styles: NotRequired[list[dict[str, Any]]]
    contrasts: NotRequired[list[ContrastRecord]]
    metrics: NotRequired[list[dict[str, Any]]]


class SpecFile(TypedDict):
    """spec.json: the requested run. `identity` is exactly what the run_id hashes."""

    schema: int
    run_id: str
    variant: str
    seed: int
    identity: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    budget: dict[str, Any]
    protocol: str
    text_encoder: Any
    prompt_set: str | None
    precision: str


class EnvFile(TypedDict):
    """env.json: where and with what the run was made; `suite` is the suite's version, `plugins` others' code."""

    suite: str | None
    plugins: list[dict[str, str]]
    commit: str | None
    dirty: bool | None
    python: str
    packages: dict[str, str]
    device: str
    threads: int
    started_at: str
    host_os: str


class SummaryFile(TypedDict):
    """summary.json: times in seconds, memory in MiB."""

    status: str
    steps: int
    best_step: int
    train_wall_s: float
    eval_wall_s: float
    peak_memory_mb: float | None
    oom_splits: int


class CropRecord(TypedDict):
    """A crop's `box`, [top, left, height, width] in pixels of the complete image, and the names of its PNG files."""

    box: list[int]
    degraded: str
    restored: str
    clean: str


class SampleRecord(CropRecord):
    """One entry of samples.json: a test image's first crop; scores are those of the complete image, not of the crop.

    A perfect image's infinite PSNR is null. Older runs have none of the last three keys: `image_size` is [height,
    width] of the complete image, `display` names its files ("degraded", "clean"), compressed and reduced for display
    only, and `second` is a second crop, where the image has room for one.
    """

    condition: str
    image: str
    psnr_db: float | None
    input_psnr_db: float | None
    image_size: NotRequired[list[int]]
    display: NotRequired[dict[str, str]]
    second: NotRequired[CropRecord]


class ExtremeRecord(TypedDict):
    """One entry of extremes.json: the image with the largest or smallest difference of a pair of variants.

    `box` is where their restorations differ most; the four files are its PNG crops. The PSNRs are those of the
    complete image in the runs of `seed`, as in images.parquet: where they are others now, the entry is out of date.
    """

    variant: str
    reference: str
    dataset: str
    condition: str
    image: str
    seed: int
    box: list[int]
    files: dict[str, str]
    variant_psnr_db: float
    reference_psnr_db: float
    input_psnr_db: float


class ProbedImage(TypedDict):
    """One crop whose feature maps probes.safetensors holds; `box` is [top, left, height, width] in pixels."""

    condition: str
    image: str
    box: list[int]


class ErrorFile(TypedDict):
    """ERROR.json of a failed run."""

    type: str
    message: str
    traceback: str
    at: str
    step: int | None


class DoneFile(TypedDict):
    """DONE, written last: the SHA-256 of every other file that a finished run consists of, and those it must have."""

    finished_at: str
    files: dict[str, str]
    needs: NotRequired[list[str]]
