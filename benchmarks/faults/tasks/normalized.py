"""Networks with batch normalization that are not plain stacks of convolutions: dense ones, strided convolutions, an autoencoder."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan


class DenseNormalized(nn.Module):
    """Hidden layers of 64, each linear, normalized, ReLU; a head."""

    def __init__(self, inputs: int, outputs: int, layers: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential()
        width = inputs
        for number in range(layers):
            self.body.add_module(f"linear{number}", nn.Linear(width, 64))
            self.body.add_module(f"norm{number}", nn.BatchNorm1d(64))
            self.body.add_module(f"relu{number}", nn.ReLU())
            width = 64
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Answers of shape (records, outputs)."""
        answers: Tensor = self.head(self.body(inputs))
        return answers


class Strided(nn.Module):
    """Two strided convolutions and a hidden layer, each normalized; a head."""

    def __init__(self, side: int, classes: int) -> None:
        super().__init__()
        narrow = (side + 3) // 4
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(24 * narrow * narrow, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


class NormalizedAutoencoder(nn.Module):
    """Pixels to 16 numbers and back, hidden layers normalized."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
        self.decoder = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, pixels))

    def forward(self, records: Tensor) -> Tensor:
        """Pixels of shape (records, pixels)."""
        made: Tensor = self.decoder(self.encoder(records))
        return made


def _digit_images(seed: int) -> Data:
    return sources.digits(seed, as_images=True)


def dense(data: Data, seed: int) -> nn.Module:
    """Three normalized layers."""
    return DenseNormalized(data.inputs[0].numel(), max(1, data.classes))


def strided(data: Data, seed: int) -> nn.Module:
    """Strided convolutions and a hidden layer."""
    return Strided(data.inputs.shape[-1], data.classes)


def autoencoder(data: Data, seed: int) -> nn.Module:
    """Normalized encoder and decoder."""
    return NormalizedAutoencoder(data.inputs[0].numel())


IMAGES = frozenset({"classes", "images", "relu", "convolutional", "batchnorm"})
TASKS = (
    Task(
        "digits-normalized", "first", "mlp-batchnorm", "classification", sources.digits, dense, Plan(lr=2e-3), 0.4,
        frozenset({"classes", "relu", "batchnorm"}),
    ),
    Task("shapes-strided", "first", "cnn-strided", "classification", sources.shapes, strided, Plan(lr=2e-3), 0.6, IMAGES),
    Task(
        "shapes-normalized-autoencoder", "first", "autoencoder-batchnorm", "reconstruction", sources.centred_shapes, autoencoder,
        Plan(lr=3e-3), 0.8, frozenset({"relu", "autoencoder", "batchnorm"}),
    ),
    Task(
        "cancer-normalized", "first", "mlp-batchnorm", "classification", sources.breast_cancer, dense, Plan(lr=1e-3, steps=160), 0.4,
        frozenset({"classes", "relu", "batchnorm", "table"}),
    ),
    Task("digits-strided", "first", "cnn-strided", "classification", _digit_images, strided, Plan(lr=2e-3), 0.5, IMAGES),
    Task(
        "digits-normalized-autoencoder", "first", "autoencoder-batchnorm", "reconstruction", sources.digits, autoencoder, Plan(lr=3e-3),
        0.7, frozenset({"relu", "autoencoder", "batchnorm"}),
    ),
)  # fmt: skip
