"""Networks over series: Elman's both ways, dilated convolutions, a projected LSTM, diagonal states, N-BEATS, pooled attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from faults import sources_glossaries, sources_outings
from faults.nouns import Data, Task
from faults.plan import Plan


class BothWays(nn.Module):
    """An Elman network in both directions over strides; a tanh layer and a classifier on the mean of its states."""

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.birnn = nn.RNN(2, width, batch_first=True, bidirectional=True)
        self.hidden, self.act, self.logits = nn.Linear(2 * width, 32), nn.Tanh(), nn.Linear(32, classes)
        for name, each in self.birnn.named_parameters():
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(each)
            elif name.startswith("bias"):
                nn.init.zeros_(each)

    def forward(self, tracks: Tensor) -> Tensor:
        """Logits of shape (tracks, classes), of tracks of shape (tracks, strides, 2)."""
        states, _ = self.birnn(tracks)
        logits: Tensor = self.logits(self.act(self.hidden(states.mean(dim=1))))
        return logits


class TemporalBlock(nn.Module):
    """Two causal convolutions with ReLU and dropout, beside a shortcut that a third may fit, and ReLU after."""

    def __init__(self, given: int, made: int, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.conv1, self.conv2 = (nn.Conv1d(width, made, 3, dilation=dilation) for width in (given, made))
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(0.1)
        self.downsample = nn.Conv1d(given, made, 1) if given != made else nn.Identity()
        for layer in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, signals: Tensor) -> Tensor:
        """Signals of shape (records, channels, length), of the same length."""
        inner = self.dropout(self.relu(self.conv1(pad(signals, (self.reach, 0)))))
        inner = self.dropout(self.relu(self.conv2(pad(inner, (self.reach, 0)))))
        # Halved, so that block after block does not grow.
        after: Tensor = self.relu(0.7 * (inner + self.downsample(signals)))
        return after


class Tcn(nn.Module):
    """Three such blocks that reach 1, 2 and 4 steps apart, and a classifier on the mean."""

    def __init__(self, classes: int, width: int = 20) -> None:
        super().__init__()
        self.network = nn.Sequential(TemporalBlock(1, width, 1), TemporalBlock(width, width, 2), TemporalBlock(width, width, 4))
        self.linear = nn.Linear(width, classes)

    def forward(self, signals: Tensor) -> Tensor:
        """Logits of shape (signals, classes)."""
        logits: Tensor = self.linear(self.network(signals).mean(dim=2))
        return logits


class Projected(nn.Module):
    """An LSTM whose states are projected to fewer numbers before they go on, and a regression on the last."""

    def __init__(self, columns: int, width: int = 40) -> None:
        super().__init__()
        self.lstm = nn.LSTM(columns, width, proj_size=16, batch_first=True)
        self.fc, self.relu, self.head = nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(series, 1), of series of shape (series, days, columns)."""
        states, _ = self.lstm(series)
        answers: Tensor = self.head(self.relu(self.fc(states[:, -1])))
        return answers


class DiagonalStates(nn.Module):
    """States that fade each at a rate of its own and turn each at a frequency of its own, as structured state spaces have them."""

    def __init__(self, width: int, states: int = 8) -> None:
        super().__init__()
        self.log_decay = nn.Parameter(torch.log(torch.linspace(0.05, 0.7, states)).repeat(width, 1))
        self.frequency = nn.Parameter(torch.pi * torch.arange(states).float().repeat(width, 1) / states)
        self.C = nn.Parameter(torch.randn(width, states) * (0.5 / states) ** 0.5)
        self.D = nn.Parameter(torch.ones(width))

    def forward(self, signals: Tensor) -> Tensor:
        """Signals of shape (records, length, width), convolved with what the states answer to a pulse."""
        length = signals.shape[1]
        after = torch.arange(length, device=signals.device).to(signals.dtype)
        waves = torch.exp(-after[:, None, None] * self.log_decay.exp()) * torch.cos(after[:, None, None] * self.frequency)
        kernel = (waves * self.C).sum(dim=2)
        mixed = nn.functional.conv1d(pad(signals.transpose(1, 2), (length - 1, 0)), kernel.flip(0).t()[:, None], groups=kernel.shape[1])
        answers: Tensor = mixed.transpose(1, 2) + self.D * signals
        return answers


class S4Block(nn.Module):
    """Normalization, such states, GELU, a gated layer, beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.ssm, self.act = nn.LayerNorm(width), DiagonalStates(width), nn.GELU()
        self.output_linear, self.glu = nn.Linear(width, 2 * width), nn.GLU(dim=-1)

    def forward(self, signals: Tensor) -> Tensor:
        """Of the same shape (records, length, width)."""
        after: Tensor = signals + self.glu(self.output_linear(self.act(self.ssm(self.norm(signals)))))
        return after


class StateSpace(nn.Module):
    """Two such blocks over strides, the mean of their answers, a classifier."""

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.encoder, self.s4_layers = nn.Linear(2, width), nn.Sequential(S4Block(width), S4Block(width))
        self.norm, self.decoder = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, tracks: Tensor) -> Tensor:
        """Logits of shape (tracks, classes)."""
        logits: Tensor = self.decoder(self.norm(self.s4_layers(self.encoder(tracks))).mean(dim=1))
        return logits


class NBeatsBlock(nn.Module):
    """Three ReLU layers, what they forecast, and, unless it is the last one, what of the past they explain."""

    def __init__(self, length: int, last: bool, width: int = 48) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(length, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.backcast = None if last else nn.Linear(width, length, bias=False)
        self.forecast = nn.Linear(width, 1, bias=False)

    def forward(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """What is left of the past, (series, length), and a forecast, (series, 1)."""
        inner = self.fc(past)
        return past if self.backcast is None else past - self.backcast(inner), self.forecast(inner)


class NBeats(nn.Module):
    """Three such blocks, whose forecasts are added up."""

    def __init__(self, length: int, blocks: int = 3) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(NBeatsBlock(length, last=number == blocks - 1) for number in range(blocks))

    def forward(self, series: Tensor) -> Tensor:
        """(series, 1), of series of shape (series, days, columns)."""
        past = series.flatten(1)
        answers = past.new_zeros(len(past), 1)
        for block in self.blocks:
            past, more = block(past)
            answers = answers + more
        return answers


class PooledBlock(nn.Module):
    """Attention of four heads and a narrow ReLU net, each behind a normalization and beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.linear1, self.activation, self.linear2 = nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (records, length, width)."""
        records, length, width = states.shape
        parted = self.in_proj(self.norm1(states)).view(records, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(parted[0], parted[1], parted[2]).transpose(1, 2).reshape(records, length, width)
        states = states + self.dropout(self.out_proj(mixed))
        after: Tensor = states + self.dropout(self.linear2(self.activation(self.linear1(self.norm2(states)))))
        return after


class Pooled(nn.Module):
    """Embedded residues and places, two such blocks, a mean weighted by what a layer scores each place, a classifier."""

    def __init__(self, letters: int, classes: int, length: int, width: int = 40) -> None:
        super().__init__()
        self.embedding, self.pos_embedding = nn.Embedding(letters, width), nn.Parameter(0.3 * torch.randn(1, length, width))
        self.layers, self.norm = nn.Sequential(PooledBlock(width), PooledBlock(width)), nn.LayerNorm(width)
        self.attn_pool, self.classifier = nn.Linear(width, 1, bias=False), nn.Linear(width, classes)
        nn.init.normal_(self.embedding.weight, std=0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (peptides, classes)."""
        states = self.norm(self.layers(self.embedding(codes) + self.pos_embedding))
        weights = torch.softmax(self.attn_pool(states), dim=1)
        logits: Tensor = self.classifier((weights * states).sum(dim=1))
        return logits


def strolls_rnn(data: Data, seed: int) -> nn.Module:
    """Elman's network in both directions over tracks."""
    return BothWays(data.classes)


def strolls_states(data: Data, seed: int) -> nn.Module:
    """Diagonal state spaces over tracks."""
    return StateSpace(data.classes)


def loads_tcn(data: Data, seed: int) -> nn.Module:
    """Dilated causal convolutions over loads."""
    return Tcn(data.classes)


def rivers_lstm(data: Data, seed: int) -> nn.Module:
    """A projected LSTM over rain and flow."""
    return Projected(data.inputs.shape[2])


def rivers_nbeats(data: Data, seed: int) -> nn.Module:
    """N-BEATS over rain and flow."""
    return NBeats(data.inputs[0].numel())


def peptides_pooled(data: Data, seed: int) -> nn.Module:
    """A pre-norm encoder over peptides."""
    return Pooled(len(sources_glossaries.RESIDUES), data.classes, data.inputs.shape[1])


TASKS = (
    Task(
        "strolls-rnn", "fifth", "rnn-bidirectional", "classification", sources_outings.strolls, strolls_rnn,
        Plan(lr=3e-3, steps=800, batch_size=48, schedule="cosine", clip_norm=1.0), 0.5,
        frozenset({"classes", "recurrent", "tanh", "saturating"}),
    ),
    Task(
        "strolls-states", "fifth", "state-space-diagonal", "classification", sources_outings.strolls, strolls_states,
        Plan(optimizer="adamw", lr=4e-3, weight_decay=0.01, steps=400, schedule="cosine", warm_up=0.1), 0.5,
        frozenset({"classes", "shortcuts", "normalized"}),
    ),
    Task(
        "loads-tcn", "fifth", "tcn-dilated", "classification", sources_outings.loads, loads_tcn,
        Plan(optimizer="rmsprop", lr=1e-3, steps=500, schedule="linear"), 0.5,
        frozenset({"classes", "relu", "convolutional", "shortcuts", "dropout"}),
    ),
    Task(
        "rivers-lstm", "fifth", "lstm-projected", "regression", sources_outings.rivers, rivers_lstm,
        Plan(lr=5e-3, steps=500, clip_norm=1.0, schedule="cosine"), 0.5, frozenset({"recurrent", "relu"}),
    ),
    Task(
        "rivers-nbeats", "fifth", "n-beats", "regression", sources_outings.rivers, rivers_nbeats,
        Plan(lr=1e-3, steps=600, batch_size=64, schedule="linear"), 0.5, frozenset({"relu", "shortcuts"}),
    ),
    Task(
        "peptides-pooled", "fifth", "encoder-attention-pooled", "classification", sources_glossaries.peptides, peptides_pooled,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.05, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=500), 0.6,
        frozenset({"classes", "text", "embedding", "transformer", "relu", "dropout"}),
    ),
)  # fmt: skip
