"""Data: tasks, images, degradations, protocols and metrics."""
