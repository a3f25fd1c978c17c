"""Networks over graphs: messages between neighbours of a network of pipes that is the same for all records."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_swings
from faults.nouns import Data, Task
from faults.plan import Plan


class GraphLayer(nn.Module):
    """What a node is, and the mean of its neighbours, through a layer each, and ReLU, beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin_self, self.lin_neigh, self.relu = nn.Linear(width, width), nn.Linear(width, width, bias=False), nn.ReLU()

    def forward(self, nodes: Tensor, near: Tensor) -> Tensor:
        """Of the same shape (graphs, nodes, width); `near` holds shares of neighbours, (nodes, nodes)."""
        after: Tensor = nodes + self.relu(self.lin_self(nodes) + self.lin_neigh(near @ nodes))
        return after


class Graph(nn.Module):
    """Three such layers over one number a node and what is learned of each node; a classifier on mean and maximum."""

    def __init__(self, classes: int, width: int = 24) -> None:
        super().__init__()
        near = torch.tensor(sources_swings.pipework(), dtype=torch.float32)
        self.register_buffer("adj", near / near.sum(dim=1, keepdim=True).clamp(min=1))
        self.node_bias = nn.Parameter(0.6 * torch.randn(len(near), width))
        self.lift, self.gnn = nn.Linear(1, width), nn.ModuleList(GraphLayer(width) for _ in range(3))
        self.readout = nn.Linear(2 * width, classes)
        nn.init.normal_(self.lift.weight, std=0.4)
        nn.init.normal_(self.readout.weight, std=0.02)
        for layer in self.gnn.children():
            for part in layer.children():
                if isinstance(part, nn.Linear):
                    # Two layers are added up, and a shortcut to them.
                    nn.init.normal_(part.weight, std=(0.5 / width) ** 0.5)

    def forward(self, states: Tensor) -> Tensor:
        """Logits of shape (graphs, classes), of states of shape (graphs, nodes)."""
        near = self.get_buffer("adj")
        nodes = self.lift(states[:, :, None]) + self.node_bias
        for layer in self.gnn:
            nodes = layer(nodes, near)
        logits: Tensor = self.readout(torch.cat([nodes.mean(dim=1), nodes.amax(dim=1)], dim=1))
        return logits


def heat_graph(data: Data, seed: int) -> nn.Module:
    """Three layers of messages."""
    return Graph(data.classes)


TASKS = (
    Task(
        "heat-graph", "fourth", "graph-network", "classification", sources_swings.heat, heat_graph,
        Plan(optimizer="sgd", lr=0.01, weight_decay=1e-4, steps=700, schedule="cosine", batch_size=32), 0.5,
        frozenset({"classes", "relu", "shortcuts"}),
    ),
)  # fmt: skip
