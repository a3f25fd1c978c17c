"""The kind of training by the names of its parameters, and by what its settings call the model and the method."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postmortem.measure.settings import named_labels, settings
from postmortem.model import RunData

_LABEL_SETTINGS = ("num_classes", "n_classes", "num_labels", "nb_classes")
_TEXT_SETTINGS = ("vocab_size", "n_vocab", "block_size", "context_length", "seq_len", "max_position_embeddings", "n_ctx")
_NAME_SETTINGS = ("model", "model_name", "arch", "architecture", "model_type", "algorithm", "algo", "task", "method")
_NAMED = (
    ("gan", re.compile(r"(?:^|[^a-z])(?:[a-z]{0,3}|style|cycle|info|star|proj|hifi|melgan|pix2pix)gan(?:\d|[^a-z]|$)")),
    ("vae", re.compile(r"vae")),
    ("physics-informed", re.compile(r"(?:^|[^a-z])(?:x?pinns?|deeponet|physics)(?:[^a-z]|$)")),
    ("language-model", re.compile(r"gpt|llama|causal_?lm|language[_-]model|lm_")),
    ("contrastive", re.compile(r"simclr|(?:^|[^a-z])(?:moco|byol)|contrastive")),
    ("rl", re.compile(r"(?:^|[^a-z])(?:[a-z]{0,9}ppo|d?dqn|qr_?dqn|sac|a2c|a3c|reinforce|td3|ddpg|trpo)(?:\d|[^a-z]|$)")),
    ("classification", re.compile(r"classif")),
    ("regression", re.compile(r"(?:^|[^a-z])(?:ddpm|ddim|diffusion)(?:[^a-z]|$)")),
)
_WRAPPERS = frozenset({"module", "model", "net", "state_dict", "_orig_mod", "gan", "modules"})
_COUNTED = re.compile(r"(?:_[ab]|_?\d+)$")
_MAKERS = frozenset({"g", "generator", "gen", "netg", "gnet"})
_JUDGES = frozenset({"d", "discriminator", "disc", "dis", "netd", "dnet"})
_NO_GAN = re.compile(r"(?:^|[^a-z])organ")
"""Data sets of organs end like adversarial nets."""


def by_settings(run: RunData) -> tuple[str, str] | None:
    """Family, and what in the run's settings tells it; None where they do not."""
    known = settings(run)
    named = _NO_GAN.sub(" ", " ".join(str(known[key]).lower() for key in _NAME_SETTINGS if key in known))
    for family, pattern in _NAMED:
        if pattern.search(named):
            return family, "name of the model or method"
    labels = named_labels(run)
    if labels >= 2:
        return "classification", f"{labels} labels named by setting 'id2label'"
    text = next((key for key in _TEXT_SETTINGS if key in known), None)
    if text is not None and not any(key in known for key in _LABEL_SETTINGS):
        return "language-model", f"setting {text!r}"
    label = next((key for key in _LABEL_SETTINGS if key in known), None)
    return ("classification", f"setting {label!r}") if label is not None else None


def _net(name: str) -> str:
    """The first part of a parameter's name that is no wrapper, without what counts or letters its copies: `module.netD_A.0` -> netd."""
    parts = name.lower().split(".")[:-1]
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return _COUNTED.sub("", parts[0]).replace("_", "") if parts else ""


def _of_several_nets(names: Sequence[str]) -> tuple[str, str] | None:
    """An adversarial pair or an agent, by nets that only these have."""
    nets = {_net(name) for name in names}
    if nets & _MAKERS and nets & (_JUDGES | {"critic", "c"}):
        return "gan", "a generator and a discriminator in the checkpoint"
    parts = {part for name in names for part in re.split(r"[._]", name.lower()) if part} | nets
    whole = {part.replace("_", "") for name in names for part in name.lower().split(".")}
    actor = any(part.startswith("actor") for part in parts) or whole & {"policyhead", "policynet", "pi"}
    critic = any(part.startswith("critic") for part in parts) or whole & {"valuehead", "valuenet", "v", "q1", "qf1"}
    if whole & {"actionnet", "a2cnetwork"} or (actor and critic):
        return "rl", "an actor and a critic in the checkpoint"
    if whole & {"logstd", "actorlogstd"} and (actor or critic or nets & {"policy", "pi", "agent"}):
        return "rl", "the log deviation of a policy in the checkpoint"
    if nets & {"qnetwork", "qnet"} and nets & {"targetnetwork", "targetnet", "qnettarget", "targetqnetwork"}:
        return "rl", "a Q network and its target in the checkpoint"
    return None


def _of_several_files(sources: Sequence[str]) -> tuple[str, str] | None:
    """An adversarial pair whose nets lie in files of their own: `netG_epoch_5.pth` beside `netD_epoch_5.pth`, `10000-G.ckpt`."""
    stems = [re.split(r"[^a-z]+", source.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()) for source in sources]
    made = any(_MAKERS & set(stem) for stem in stems)
    judged = any(_JUDGES & set(stem) for stem in stems)
    return ("gan", "files of a generator and of a discriminator") if made and judged else None


def by_parameters(run: RunData) -> tuple[str, str] | None:
    """Family, and what among the last checkpoint's names tells it; None where they do not."""
    names = [name for checkpoint in run.checkpoints[-1:] for name in checkpoint.tensors]
    told = _of_several_nets(names) or _of_several_files([checkpoint.source for checkpoint in run.checkpoints])
    if told is not None:
        return told
    boxes = next((name for name in names if re.search(r"(?:^|\.)(?:rpn|roi_heads|proposal_generator|dfl)\.", name)), None)
    if boxes is not None:
        return "detection", f"parameter {boxes!r}"
    head = next((name for name in names if "lm_head" in name), None)
    if head is not None and not _classifies(run, head):
        return "language-model", f"parameter {head!r}"
    spread = next((name for name in names if re.search(r"(?:log_?var|log_?sigma|fc_var)\.weight$", name.lower())), None)
    if spread is not None and any(re.search(r"(?:mu|mean)\.weight$", name.lower()) for name in names):
        return "vae", f"parameter {spread!r}"
    timed = any(re.search(r"time_(?:embed|embedding|mlp)\b", name) for name in names)
    blocks = next((name for name in names if re.search(r"(?:^|\.)(?:down_blocks|input_blocks|downs|mid_block)\.", name)), None)
    return ("regression", f"parameter {blocks!r} beside an embedding of time") if timed and blocks is not None else None


def _classifies(run: RunData, head: str) -> bool:
    """Whether a head of this name has far fewer rows than every table of embeddings: then it names classes, not tokens."""
    tensors = run.checkpoints[-1].tensors
    rows = [tensor.shape[0] for name, tensor in tensors.items() if len(tensor.shape) == 2 and re.search(r"wte|embed|emb\.|word", name)]
    shape = tensors[head].shape
    return bool(rows) and bool(shape) and shape[0] not in rows and shape[0] * 2 <= max(rows)
