"""Benchmarks: `python -m ablations.bench NAME`. Ratios to a reference measured in the same run, never bare times."""
