"""The test sets of a folder as evaluation items under a protocol."""
