"""The layout of run and study folders: file names, names inside probes.safetensors, and the version of the schema.

Only the standard library: `ablations.status` reads thousands of runs in a second and may import no pandas. Other code
takes these names from `reports.schema`.
"""

from __future__ import annotations

SCHEMA_VERSION = 2

# Files of a run folder, runs/<run_id>/.
SPEC_FILE = "spec.json"
ENV_FILE = "env.json"
TRAIN_LOG_FILE = "train.jsonl"
CHECKPOINTS_FOLDER = "checkpoints"
IMAGES_FILE = "images.parquet"
SAMPLES_FOLDER = "samples"
SAMPLES_FILE = "samples/samples.json"
PROBES_FILE = "probes.safetensors"
WEIGHTS_FILE = "weights.safetensors"
SUMMARY_FILE = "summary.json"
DONE_FILE = "DONE"
ERROR_FILE = "ERROR.json"
SNAPSHOTS_FOLDER = "snapshots"
MEASURES_FOLDER = "measures"  # measures/<measure>.parquet, made of a finished run; see MEASURE_COLUMNS
METRIC_PREFIX = "metric-"  # + metric: measures/metric-<metric>.parquet, further scores with columns IMAGE_COLUMNS

# Files of a study folder, runs/studies/<study>-<budget>-<data>/.
STUDIES_FOLDER = "studies"
STUDY_FILE = "study.json"
INDEX_FILE = "index.html"  # beside the study folders: all of them
COMPARISON_FILE = "comparison.html"
COMPARISON_CSV_FILE = "comparison.csv"
TABLE_PARQUET_FILE = "table.parquet"
TABLE_CSV_FILE = "table.csv"
REPORT_FILE = "report.html"
TABLE_MD_FILE = "table.md"
TABLE_TEX_FILE = "table.tex"
MEANS_CSV_FILE = "means.csv"
PAIRS_CSV_FILE = "pairs.csv"
CONTRASTS_CSV_FILE = "contrasts.csv"
RUNS_CSV_FILE = "runs.csv"  # of a study of so many runs, or failures, that the page does not list them all
FIGURES_FOLDER = "figures"
EXTREMES_FOLDER = "extremes"
EXTREMES_FILE = "extremes/extremes.json"  # crops of the images with the largest and smallest differences

# Names inside probes.safetensors.
FEATURE_PREFIX = "feature."  # + layer: (N, D) float32
UNTRAINED_FEATURE_PREFIX = "untrained_feature."  # + layer: likewise before the first training step; optional
FEATURE_CONDITION = "feature_condition"  # (N,) int64, index into the metadata's conditions
ORDER_PREFIX = "order."  # + block: (P, eC) int32, row p: the channel that stands at each position under prompt p
MAP_PREFIX = "map."  # + place: (I, K, h, w) float16, K feature maps of I crops
MAP_CHANNEL_PREFIX = "map_channel."  # + place: (K,) int32, which channels: the largest variance over pixels
ATTENTION_PREFIX = "attention."  # + block: (P, heads, c, c) float16, mean attention weights of each condition
KEPT_PREFIX = "kept."  # + block: (P, heads, c, c) float16, share of patches in which the mask keeps the entry
PROBE_IMAGES = "images"  # metadata: JSON list of ProbedImage, the I crops
PROBE_PATCHES = "patches"  # metadata: JSON list, patches of each of the P conditions behind attention and kept
PROBE_CONDITIONS = "conditions"  # metadata: JSON list of condition names, in the order of the P prompts
PROBE_LAYERS = "layers"  # metadata: JSON object, layer -> how its features were pooled
