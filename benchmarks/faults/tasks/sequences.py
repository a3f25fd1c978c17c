"""Recurrences as they are trained on texts and series: in both directions, stacked, as language models, as forecasts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_made
from faults.nouns import Data, Task
from faults.plan import Plan


class Both(nn.Module):
    """Embedding, a GRU in both directions, dropout, a classifier on the mean of its states."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.embed, self.encoder = nn.Embedding(letters, 24), nn.GRU(24, 32, batch_first=True, bidirectional=True)
        self.dropout, self.classifier = nn.Dropout(0.2), nn.Linear(64, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states, _ = self.encoder(self.embed(codes))
        logits: Tensor = self.classifier(self.dropout(states.mean(dim=1)))
        return logits


class Stacked(nn.Module):
    """Embedding, two LSTMs, a decoder on the mean of the states, or over every place."""

    def __init__(self, letters: int, outputs: int, everywhere: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.encoder = nn.Embedding(letters, 32)
        self.rnn = nn.LSTM(32, 48, num_layers=1 if everywhere else 2, batch_first=True)
        self.drop, self.decoder = nn.Dropout(dropout), nn.Linear(48, outputs)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters) or (texts, classes)."""
        states, _ = self.rnn(self.encoder(codes))
        logits: Tensor = self.decoder(self.drop(states if self.everywhere else states.mean(dim=1)))
        return logits


class Forecast(nn.Module):
    """A recurrence over the values of a series, a layer on its last state."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], width: int) -> None:
        super().__init__()
        self.rnn, self.regressor = kind(1, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(series, 1), of values of shape (series, length)."""
        states, _ = self.rnn(values[:, :, None])
        answers: Tensor = self.regressor(states[:, -1])
        return answers


class Simple(nn.Module):
    """Embedding, Elman's recurrence from an orthogonal matrix, a layer on the mean of its states."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.embedding, self.rnn, self.fc = nn.Embedding(letters, 24), nn.RNN(24, 48, batch_first=True), nn.Linear(48, classes)
        nn.init.orthogonal_(dict(self.rnn.named_parameters())["weight_hh_l0"])

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states, _ = self.rnn(self.embedding(codes))
        logits: Tensor = self.fc(torch.mean(states, dim=1))
        return logits


def roman_both(data: Data, seed: int) -> nn.Module:
    """A GRU in both directions over Roman numerals."""
    return Both(len(sources_made.ROMAN_LETTERS), data.classes)


def quantities_stacked(data: Data, seed: int) -> nn.Module:
    """Two LSTMs over quantities in words."""
    return Stacked(len(sources_made.WORD_LETTERS), data.classes, everywhere=False)


def dates_model(data: Data, seed: int) -> nn.Module:
    """A language model of one LSTM over dates."""
    return Stacked(data.classes, data.classes, everywhere=True, dropout=0.1)


def series_gru(data: Data, seed: int) -> nn.Module:
    """A GRU over series."""
    return Forecast(nn.GRU, 32)


def brackets_simple(data: Data, seed: int) -> nn.Module:
    """Elman's network over brackets."""
    return Simple(len(sources_made.BRACKET_LETTERS), data.classes)


TEXT = frozenset({"text", "embedding", "recurrent"})
TASKS = (
    Task(
        "roman-both", "second", "gru-bidirectional", "classification", sources_made.roman_hundreds, roman_both,
        Plan(lr=5e-3, steps=400, schedule="cosine"), 0.5, TEXT | {"classes", "dropout"},
    ),
    Task(
        "quantities-stacked", "second", "lstm-stacked", "classification", sources_made.quantities, quantities_stacked,
        Plan(lr=5e-3, steps=500, clip_norm=1.0), 0.5, TEXT | {"classes"},
    ),
    Task(
        "dates-lstm", "second", "lstm-language-model", "language", sources_made.dates, dates_model,
        Plan(lr=4e-3, steps=500, clip_norm=1.0), 0.6, TEXT | {"language"},
    ),
    Task(
        "series-gru", "second", "gru-regressor", "regression", sources_made.series, series_gru,
        Plan(lr=3e-3, steps=500), 0.4, frozenset({"recurrent"}),
    ),
    Task(
        "brackets-simple", "second", "rnn-simple", "classification", sources_made.brackets, brackets_simple,
        Plan(optimizer="rmsprop", lr=1e-3, steps=600), 0.6, TEXT | {"classes", "tanh", "saturating"},
    ),
)  # fmt: skip
