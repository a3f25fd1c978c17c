"""Networks that were trained on something else before: depthwise convolutions, a rotary decoder, a GRU, TextCNN, a Gaussian code."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from faults import sources_phrases, sources_swings
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.codes import Gaussian
from faults.tasks.fine_tuning import _kept
from faults.tasks.phrases import TextCnn
from faults.tasks.rotating import Rotary
from faults.tasks.tables import stack
from faults.tasks.taken_over import _learned
from faults.tasks.transferred import _with
from faults.tasks.vision import he


class Inverted(nn.Module):
    """Wider, by depth, narrower again, each normalized, beside a shortcut: the block of MobileNet's second version."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 2 * width
        self.pw, self.bn1 = nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.dw, self.bn2 = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False), nn.BatchNorm2d(inner)
        self.relu = nn.ReLU()
        self.pw_linear, self.bn3 = nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        """Of the same shape."""
        inner = self.relu(self.bn2(self.dw(self.relu(self.bn1(self.pw(maps))))))
        after: Tensor = maps + self.bn3(self.pw_linear(inner))
        return after


class Depthwise(nn.Module):
    """A strided stem, two such blocks with pooling between, dropout, a classifier on the mean of each map."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 20, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(20), nn.ReLU())
        self.stage1, self.pool, self.stage2 = Inverted(20), nn.MaxPool2d(2), Inverted(20)
        self.dropout, self.classifier = nn.Dropout(0.3), nn.Linear(20 * 9, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes) of images of 12 x 12 pixels."""
        maps = self.stage2(self.pool(self.stage1(self.stem(images))))
        logits: Tensor = self.classifier(self.dropout(maps.flatten(1)))
        return logits


class Level(nn.Module):
    """A GRU over a normalized series, and two layers on its last state."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.backbone = nn.GRU(1, width, batch_first=True)
        self.neck, self.act, self.out = nn.Linear(width, 24), nn.SiLU(), nn.Linear(24, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(series, 1), of values of shape (series, length)."""
        states, _ = self.backbone(series[:, :, None])
        answers: Tensor = self.out(self.act(self.neck(states[:, -1])))
        return answers


class OnCode(nn.Module):
    """The encoder and the mean of a Gaussian code, and a classifier on it."""

    def __init__(self, length: int, classes: int) -> None:
        super().__init__()
        self.encoder, self.fc_mu, self.classifier = _encoder(length), nn.Linear(48, 8), nn.Linear(8, classes)

    def forward(self, records: Tensor) -> Tensor:
        """Logits of shape (records, classes)."""
        logits: Tensor = self.classifier(self.fc_mu(self.encoder(records)))
        return logits


def _encoder(length: int) -> nn.Sequential:
    return nn.Sequential(*stack(length, (80,), 48, "ReLU"), nn.ReLU())


def _fresh_depthwise(data: Data) -> nn.Module:
    return he(Depthwise(data.classes))


def _fresh_rotary(data: Data) -> nn.Module:
    return Rotary(len(sources_phrases.SQUARE_LETTERS), data.classes, everywhere=False)


def _fresh_level(data: Data) -> nn.Module:
    return Level()


def _fresh_textcnn(data: Data) -> nn.Module:
    return TextCnn(len(sources_phrases.ENDING_LETTERS), data.classes)


def _fresh_on_code(data: Data) -> nn.Module:
    return OnCode(data.inputs.shape[1], data.classes)


def _language_model(data: Data) -> nn.Module:
    return Rotary(data.classes, data.classes, everywhere=True)


def _variational(data: Data) -> nn.Module:
    length = data.inputs.shape[1]
    return Gaussian(_encoder(length), 48, 8, stack(8, (48, 80), length, "ReLU"))


def fours_from_fives(data: Data, seed: int) -> nn.Module:
    """Depthwise convolutions that learned pieces of five squares."""
    source = _learned(_fresh_depthwise, sources_swings.fives, "classification", Plan(lr=3e-3, steps=500))
    return _with(_fresh_depthwise(data), source, "classifier")


def paths_from_language(data: Data, seed: int) -> nn.Module:
    """A classifier on the blocks of a language model of such paths."""
    source = _learned(_language_model, sources_phrases.chess_text, "language", Plan(lr=2e-3, steps=500))
    return _with(_fresh_rotary(data), source, "output")


def tides_from_inland(data: Data, seed: int) -> nn.Module:
    """A GRU that learned the tides of a gulf."""
    source = _learned(_fresh_level, sources_swings.inland_tides, "regression", Plan(lr=3e-3, steps=600))
    return _with(_fresh_level(data), source, "out")


def endings_from_others(data: Data, seed: int) -> nn.Module:
    """TextCNN that learned six other kinds of endings."""
    source = _learned(_fresh_textcnn, sources_phrases.endings, "classification", Plan(lr=2e-3, steps=500))
    return _with(_fresh_textcnn(data), source, "fc")


def yields_from_code(data: Data, seed: int) -> nn.Module:
    """A classifier on the Gaussian code of yield curves."""
    source = _learned(_variational, sources_swings.yields, "variational", Plan(lr=2e-3, steps=600, batch_size=64))
    return _with(_fresh_on_code(data), source, "classifier")


FRESH: dict[str, Callable[[Data], nn.Module]] = {
    "fours-refined": _fresh_depthwise,
    "paths-refined": _fresh_rotary,
    "tides-refined": _fresh_level,
    "endings-refined": _fresh_textcnn,
    "yields-refined": _fresh_on_code,
}
"""By task, the network before anything was loaded."""


def _few_fours(seed: int) -> Data:
    return _kept(sources_swings.fours(seed), 1600)


def _few_tides(seed: int) -> Data:
    return _kept(sources_swings.tides(seed), 900)


def _few_endings(seed: int) -> Data:
    return _kept(sources_phrases.other_endings(seed), 1000)


def _few_yields(seed: int) -> Data:
    return _kept(sources_swings.yields(seed), 900)


PRETRAINED = frozenset({"pretrained"})
TASKS = (
    Task(
        "fours-refined", "fourth", "refined-depthwise", "classification", _few_fours, fours_from_fives,
        Plan(optimizer="sgd", lr=0.01, weight_decay=1e-4, schedule="cosine", steps=200), 0.5,
        PRETRAINED | {"classes", "images", "relu", "batchnorm", "convolutional", "shortcuts", "dropout"},
    ),
    Task(
        "paths-refined", "fourth", "refined-rotary", "classification", sources_phrases.paths, paths_from_language,
        Plan(optimizer="adamw", lr=1.5e-3, weight_decay=0.05, warm_up=0.1, schedule="linear", steps=350, clip_norm=1.0), 0.6,
        PRETRAINED | {"classes", "text", "embedding", "transformer"},
    ),
    Task(
        "tides-refined", "fourth", "refined-gru", "regression", _few_tides, tides_from_inland,
        Plan(lr=1e-3, steps=400, schedule="cosine", clip_norm=1.0), 0.5, PRETRAINED | {"recurrent"},
    ),
    Task(
        "endings-refined", "fourth", "refined-text-cnn", "classification", _few_endings, endings_from_others,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.02, warm_up=0.1, schedule="cosine", steps=400), 0.5,
        PRETRAINED | {"classes", "text", "embedding", "relu", "dropout", "convolutional"},
    ),
    Task(
        "yields-refined", "fourth", "refined-code", "classification", _few_yields, yields_from_code,
        Plan(lr=5e-4, steps=300, weight_decay=1e-4), 0.7, PRETRAINED | {"classes", "dense", "relu"},
    ),
)  # fmt: skip
