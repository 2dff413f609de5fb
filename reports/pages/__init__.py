"""The pages: what each says, as a document (reports/document)."""
