"""Checkpoints from elsewhere on test images: weights by name, sets, scores, and a guess of the degradation."""
