# make demo: a study on embedded photographs, ending in an HTML report. make test: the test suite. make studies: each
# study at its smallest. make gpu: what a GPU computes and how fast, in ten minutes (docs/gpu.md).
# make size: lines, the longest file, long functions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SMOKE := .smoke
# names of studies for `make studies`; empty: all
STUDIES ?=
# further options for `make gpu`, such as --photos FOLDER
GPU_OPTIONS ?=
# threads that spin while they wait cost a factor of six on a busy machine
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test test-faults studies gpu lint types imports check size translations lock clean

demo: $(STAMP)
	$(BIN)/python -m ablations.run gamma_sweep

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow"

# every fault of docs/launchers.md as often as it says, with the counts; a short sample is in `make test`
test-faults: $(STAMP)
	DFPIR_FAULTS=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist load tests/faults tests/unit/test_lock.py \
	  tests/integration/test_launch_local.py tests/integration/test_launch_slurm.py tests/integration/test_launch_ray.py

# studies from their runs to their pages at the smallest budget, in two processes; runs that they share are made once
studies: $(STAMP)
	rm -rf $(SMOKE) && mkdir -p $(SMOKE)
	names="$(STUDIES)"; test -n "$$names" || names=$$($(BIN)/python -m ablations.run --list --names); \
	  printf '%s\n' $$names | OMP_NUM_THREADS=1 LOKY_MAX_CPU_COUNT=1 xargs -P 2 -n 3 \
	  $(BIN)/python -m tests.support.studies $(SMOKE)

# exit code 1 where something is not as it should be; the lines of all steps are in runs/gpu either way
gpu: $(STAMP)
	$(BIN)/python -m ablations.bench gpu $(GPU_OPTIONS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deptry .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

check: lint types imports test

size:
	$(PYTHON) tests/support/size.py

# uv, not pip: pip may take a CPU-only torch that torchvision does not import with. Compiled at once: each run is a
# process, and where Python may not write its bytecode (PYTHONDONTWRITEBYTECODE) each would compile PyTorch anew
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

# the Chinese pages' catalogue: extract every text of reports/, then compile; names those without a translation
translations: $(STAMP)
	$(BIN)/python -m tests.support.translations

# the constraints for Python 3.10 to 3.13; no registry's address gets in
lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --upgrade --quiet \
	  --no-header --no-annotate --output-file constraints.txt

clean:
	rm -rf $(VENV) $(SMOKE) runs
