"""What a model costs: multiply-adds counted, time and memory measured, a study's time estimated."""
