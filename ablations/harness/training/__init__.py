"""A run's training: the loop, its batches, its gradients, its checkpoints and what it logs."""
