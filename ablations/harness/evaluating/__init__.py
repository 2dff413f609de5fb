"""Evaluation of any checkpoint on test images, and a classifier that predicts the degradation."""
