"""`python -m ablations.bench gpu`: all checks and timings of a GPU in one command of ten minutes (docs/gpu.md).

The command itself imports no torch: each step is a process of its own, and one that crashes, hangs or runs out of
memory costs only its own line.
"""
