"""Training: the loop, batches, gradients, checkpoints and logs."""
