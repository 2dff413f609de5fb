"""CUDA graphs without a GPU: steps are captured eagerly."""

import ablations.harness.training.state as states
from ablations.harness.training.acceleration import GraphedStep


class EagerCapture:
    """A capture that needs no GPU: like a graph's, its replay writes over the capture's loss and gradients."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.count = 0

    def __call__(self, work, clear):
        self.count += 1
        clear()
        loss = work()
        gradients = [parameter.grad for parameter in self.parameters]

        def replay():
            clear()
            loss.copy_(work())
            for gradient, parameter in zip(gradients, self.parameters, strict=True):
                gradient.copy_(parameter.grad)

        return loss, replay


def capture_eagerly(monkeypatch):
    """Have runs graph their steps here; the captures that they make."""
    captures = []

    def graphed_step(compute, parameters):
        captures.append(EagerCapture(parameters))
        return GraphedStep(compute, parameters, captures[-1])

    monkeypatch.setattr(states, "GraphedStep", graphed_step)
    monkeypatch.setattr(states, "cuda_graph_blocker", lambda *_: None)
    return captures
