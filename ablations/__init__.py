"""Studies and the one harness that trains and evaluates them."""
