"""What a reader can take hold of in the page: images, the way back from a number, the scatter of features."""
