"""A user's own images: read, restored in tiles, written back."""
