"""A package outside the suite that adds one of each: docs/extending.md prints its lines."""
