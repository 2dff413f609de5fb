"""The interactive parts of the page: the gallery of images, the provenance of a number, the scatter of features."""
