"""DFPIR and Restormer, their variants and prompts."""
