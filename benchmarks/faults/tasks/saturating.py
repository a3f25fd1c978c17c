"""Networks of tanh units that are no plain stacks: LeNet, an autoencoder, Elman's recurrence."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.convolutional import _cropped, _digit_images
from faults.tasks.dense import perceptron


class LeNet(nn.Module):
    """Two convolutions and two layers, tanh between, Glorot's initialization."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.fc1, self.fc2, self.act = nn.Linear(16 * 4 * 4, 48), nn.Linear(48, classes), nn.Tanh()
        for layer in (self.conv1, self.conv2, self.fc1):
            nn.init.xavier_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 8 x 8 pixels."""
        kept = self.act(self.conv2(self.act(self.conv1(images))))
        logits: Tensor = self.fc2(self.act(self.fc1(kept.flatten(1))))
        return logits


class Squeezed(nn.Module):
    """Pixels to twelve numbers and back, tanh between."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), *perceptron(pixels, (64, 32), 12, "tanh"))
        self.decoder = perceptron(12, (32, 64), pixels, "tanh")

    def forward(self, records: Tensor) -> Tensor:
        """Pixels of shape (records, pixels)."""
        made: Tensor = self.decoder(self.encoder(records))
        return made


class Elman(nn.Module):
    """Embedding, a plain recurrence of tanh units that starts orthogonal, a head on the mean of its states."""

    def __init__(self, letters: int, classes: int, width: int = 40) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 24)
        self.rnn = nn.RNN(24, width, batch_first=True)
        nn.init.orthogonal_(dict(self.rnn.named_parameters())["weight_hh_l0"])
        self.head = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states, _ = self.rnn(self.embedding(codes))
        logits: Tensor = self.head(states.mean(dim=1))
        return logits


def lenet(data: Data, seed: int) -> nn.Module:
    """LeNet of tanh units."""
    return LeNet(data.classes)


def squeezed(data: Data, seed: int) -> nn.Module:
    """An autoencoder of tanh units."""
    return Squeezed(data.inputs[0].numel())


def scripts_rnn(data: Data, seed: int) -> nn.Module:
    """Elman's network over names of characters."""
    return Elman(len(sources.NAME_LETTERS), data.classes)


def modules_rnn(data: Data, seed: int) -> nn.Module:
    """Elman's network over lines of source."""
    return Elman(len(sources.SOURCE_LETTERS), data.classes)


TANH = frozenset({"tanh", "saturating"})
TASKS = (
    Task(
        "shapes-lenet", "first", "lenet", "classification", _cropped, lenet, Plan(lr=2e-3), 0.6,
        TANH | {"classes", "images", "convolutional"},
    ),
    Task(
        "digits-squeezed", "first", "autoencoder-tanh", "reconstruction", sources.digits, squeezed, Plan(lr=3e-3), 0.6,
        TANH | {"autoencoder"},
    ),
    Task(
        "scripts-rnn", "first", "elman", "classification", sources.scripts, scripts_rnn, Plan(lr=3e-3), 0.6,
        TANH | {"classes", "text", "embedding", "recurrent"},
    ),
    Task(
        "digits-lenet", "first", "lenet", "classification", _digit_images, lenet, Plan(lr=2e-3), 0.4,
        TANH | {"classes", "images", "convolutional"},
    ),
    Task(
        "shapes-squeezed", "first", "autoencoder-tanh", "reconstruction", sources.centred_shapes, squeezed, Plan(lr=3e-3), 0.8,
        TANH | {"autoencoder"},
    ),
    Task(
        "modules-rnn", "first", "elman", "classification", sources.modules, modules_rnn, Plan(lr=3e-3, steps=500), 0.85,
        TANH | {"classes", "text", "embedding", "recurrent"},
    ),
)  # fmt: skip
