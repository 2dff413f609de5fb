"""The pages as documents (reports/document)."""
