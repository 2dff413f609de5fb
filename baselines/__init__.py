"""Comparators behind one interface."""
