"""Measures of finished runs: interference of tasks, information loss of the perturbation block, and others."""
