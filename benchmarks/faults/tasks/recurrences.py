"""Recurrences in the shapes that papers have: over frames of a signal, with attention, behind convolutions, Elman's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_signals, sources_strings
from faults.nouns import Data, Task
from faults.plan import Plan

FRAME = 4
"""Samples of a signal that a step of a recurrence reads at once."""


class Framed(nn.Module):
    """Frames of a signal, projected, through a GRU; a classifier on the mean of its states."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.input_proj = nn.Linear(FRAME, 24)
        self.gru, self.norm = nn.GRU(24, 40, batch_first=True), nn.LayerNorm(40)
        self.out = nn.Linear(40, classes)

    def forward(self, signals: Tensor) -> Tensor:
        """Logits of shape (signals, classes), of signals of shape (signals, length)."""
        states, _ = self.gru(self.input_proj(signals.unflatten(1, (-1, FRAME))))
        logits: Tensor = self.out(self.norm(states.mean(dim=1)))
        return logits


class Attended(nn.Module):
    """An LSTM over pairs of numbers, whose states are weighted by a score of their own before the regression."""

    def __init__(self, pairs: int) -> None:
        super().__init__()
        self.pairs = pairs
        self.project = nn.Linear(2, 16)
        self.lstm = nn.LSTM(16, 40, batch_first=True)
        self.attention = nn.ModuleDict({"score": nn.Linear(40, 24), "context": nn.Linear(24, 1, bias=False)})
        self.fc = nn.Linear(40, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """(rows, 1), of rows that hold all first numbers, then all second ones."""
        states, _ = self.lstm(self.project(rows.unflatten(1, (2, self.pairs)).transpose(1, 2)))
        share = torch.softmax(self.attention["context"](torch.tanh(self.attention["score"](states))), dim=1)
        answers: Tensor = self.fc((share * states).sum(dim=1))
        return answers


class Scanned(nn.Module):
    """Convolution over an embedding, pooled, then an LSTM in both directions, dropout between: DanQ in small."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 12)
        self.conv1, self.act, self.pool = nn.Conv1d(12, 24, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4)
        nn.init.kaiming_normal_(self.conv1.weight, nonlinearity="relu")
        self.drop1, self.bi_lstm, self.drop2 = nn.Dropout(0.2), nn.LSTM(24, 24, batch_first=True, bidirectional=True), nn.Dropout(0.2)
        self.dense = nn.Linear(48, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        found = self.pool(self.act(self.conv1(self.embedding(codes).transpose(1, 2))))
        states, _ = self.bi_lstm(self.drop1(found.transpose(1, 2)))
        logits: Tensor = self.dense(self.drop2(states.mean(dim=1)))
        return logits


class Phrases(nn.Module):
    """Elman's recurrence over letters, a classifier on the mean of its states."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.lookup, self.cell, self.linear = nn.Embedding(letters, 32), nn.RNN(32, 64, batch_first=True), nn.Linear(64, classes)
        for name, each in self.cell.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(each)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(each, gain=0.9)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states, _ = self.cell(0.5 * self.lookup(codes))
        logits: Tensor = self.linear(states.mean(dim=1))
        return logits


def pulses_gru(data: Data, seed: int) -> nn.Module:
    """A GRU over frames of heart beats."""
    return Framed(data.classes)


def adding_attended(data: Data, seed: int) -> nn.Module:
    """An LSTM with attention over numbers and marks."""
    return Attended(sources_signals.ADDED)


def motifs_scanned(data: Data, seed: int) -> nn.Module:
    """Convolution and LSTM over DNA."""
    return Scanned(len(sources_strings.BASES), data.classes)


def tongues_rnn(data: Data, seed: int) -> nn.Module:
    """Elman's network over phrases."""
    return Phrases(len(sources_strings.TONGUE_LETTERS), data.classes)


TEXT = frozenset({"text", "embedding", "recurrent", "classes"})
TASKS = (
    Task(
        "pulses-gru", "third", "gru-framed", "classification", sources_signals.pulses, pulses_gru,
        Plan(lr=3e-3, steps=400, schedule="cosine"), 0.4, frozenset({"recurrent", "classes"}),
    ),
    Task(
        "adding-attended", "third", "lstm-attention", "regression", sources_signals.adding, adding_attended,
        Plan(optimizer="rmsprop", lr=2e-3, steps=600, schedule="cosine", batch_size=64), 0.4, frozenset({"recurrent"}),
    ),
    Task(
        "motifs-scanned", "third", "conv-lstm", "classification", sources_strings.motifs, motifs_scanned,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.01, steps=400, schedule="cosine"), 0.6, TEXT | {"relu", "dropout", "convolutional"},
    ),
    Task(
        "tongues-rnn", "third", "rnn-elman", "classification", sources_strings.tongues, tongues_rnn,
        Plan(optimizer="sgd", lr=0.05, clip_norm=1.0, steps=700, schedule="cosine", weight_decay=1e-4), 0.5, TEXT | {"tanh", "saturating"},
    ),
)  # fmt: skip
