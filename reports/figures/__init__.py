"""Figures from run folders: one module a figure, each written as PNG, SVG and PDF."""
