"""Networks over words, letters and notes: TextCNN, deep averaging, an LSTM in both directions, a language model of two LSTMs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faults import sources_phrases
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.vision import he


class TextCnn(nn.Module):
    """Convolutions over two, three and four letters, the largest answer of each over all places, dropout, a classifier."""

    def __init__(self, letters: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(letters, 24)
        self.convs = nn.ModuleList(nn.Conv1d(24, 28, width) for width in (2, 3, 4))
        self.relu, self.dropout, self.fc = nn.ReLU(), nn.Dropout(0.4), nn.Linear(84, classes)
        he(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        letters = self.embed(codes).transpose(1, 2)
        found = torch.cat([self.relu(conv(letters)).amax(dim=2) for conv in self.convs], dim=1)
        logits: Tensor = self.fc(self.dropout(found))
        return logits


class Averaging(nn.Module):
    """Embedded words added up whatever their order, two ReLU layers, a classifier; a few words are left out in training."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.word_emb, self.word_dropout = nn.Embedding(words, 32), nn.Dropout1d(0.3)
        self.hidden = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 48), nn.ReLU())
        self.predict = nn.Linear(48, classes)
        nn.init.normal_(self.word_emb.weight, std=0.5)
        he(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        added = self.word_dropout(self.word_emb(codes)).sum(dim=1) / codes.shape[1] ** 0.5
        logits: Tensor = self.predict(self.hidden(added))
        return logits


class Inference(nn.Module):
    """An LSTM in both directions, the largest of each state over all places, as sentence encoders pool, and a classifier."""

    def __init__(self, notes: int, classes: int) -> None:
        super().__init__()
        self.note_embedding = nn.Embedding(notes, 20)
        self.enc_lstm = nn.LSTM(20, 24, batch_first=True, bidirectional=True)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(48, classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (melodies, classes)."""
        states, _ = self.enc_lstm(self.note_embedding(codes))
        logits: Tensor = self.classifier(states.amax(dim=1))
        return logits


class WordRnn(nn.Module):
    """Two LSTMs with dropout between, a narrower layer, and a decoder over every place."""

    def __init__(self, letters: int, width: int = 44) -> None:
        super().__init__()
        self.drop, self.encoder = nn.Dropout(0.1), nn.Embedding(letters, 28)
        self.rnn = nn.LSTM(28, width, num_layers=2, dropout=0.1, batch_first=True)
        self.bottleneck, self.decoder = nn.Linear(width, 28), nn.Linear(28, letters)
        nn.init.uniform_(self.encoder.weight, -0.5, 0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states, _ = self.rnn(self.encoder(codes))
        logits: Tensor = self.decoder(self.bottleneck(self.drop(states)))
        return logits


def endings_textcnn(data: Data, seed: int) -> nn.Module:
    """TextCNN over words."""
    return TextCnn(len(sources_phrases.ENDING_LETTERS), data.classes)


def abstracts_averaging(data: Data, seed: int) -> nn.Module:
    """A deep averaging network over abstracts."""
    return Averaging(sources_phrases.VOCABULARY, data.classes)


def melodies_inference(data: Data, seed: int) -> nn.Module:
    """An LSTM in both directions over melodies."""
    return Inference(sources_phrases.PITCHES, data.classes)


def units_rnn(data: Data, seed: int) -> nn.Module:
    """Two LSTMs over units."""
    return WordRnn(data.classes)


TEXT = frozenset({"text", "embedding"})
TASKS = (
    Task(
        "endings-textcnn", "fourth", "text-cnn", "classification", sources_phrases.endings, endings_textcnn,
        Plan(optimizer="rmsprop", lr=1e-3, steps=500), 0.75, TEXT | {"classes", "relu", "dropout", "convolutional"},
    ),
    Task(
        "abstracts-averaging", "fourth", "deep-averaging", "classification", sources_phrases.abstracts, abstracts_averaging,
        Plan(optimizer="sgd", lr=0.05, weight_decay=1e-4, steps=900, schedule="steps"), 0.6, TEXT | {"classes", "relu", "dropout"},
    ),
    Task(
        "melodies-lstm", "fourth", "lstm-max-pooled", "classification", sources_phrases.melodies, melodies_inference,
        Plan(lr=5e-3, steps=400, schedule="cosine", clip_norm=5.0), 0.5, TEXT | {"classes", "recurrent", "dropout"},
    ),
    Task(
        "units-lstm", "fourth", "lstm-two-layer-lm", "language", sources_phrases.units, units_rnn,
        Plan(optimizer="adamw", lr=5e-3, weight_decay=0.01, steps=400, schedule="linear", warm_up=0.05, clip_norm=1.0), 0.5,
        TEXT | {"language", "recurrent", "dropout"},
    ),
)  # fmt: skip
