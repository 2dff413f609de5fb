"""The studies: importing this package registers them."""

from ablations.studies import components, gamma_sweep, generalisation, guidance, paper_tables, perturbation

__all__ = ["components", "gamma_sweep", "generalisation", "guidance", "paper_tables", "perturbation"]
