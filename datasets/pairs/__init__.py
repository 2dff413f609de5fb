"""Pairs of degraded and clean images in a folder of the user: found by the names of folders and files."""
