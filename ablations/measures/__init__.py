"""What the paper draws without measuring: interference of tasks, loss of information in the perturbation block."""
