"""The studies: importing this package registers them."""

from ablations.studies import components, gamma_sweep, paper_tables

__all__ = ["components", "gamma_sweep", "paper_tables"]
