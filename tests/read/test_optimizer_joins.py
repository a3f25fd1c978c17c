"""Optimizer entries joined to names for the layouts in which training scripts leave them, and left alone where names cannot be proved."""

from __future__ import annotations

import json
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from postmortem.model import Checkpoint, FoundFile, Optimizer
from postmortem.read.checkpoints.files import read_checkpoints
from postmortem.read.checkpoints.group_order import split_of
from postmortem.read.checkpoints.orderless import align

torch.set_num_threads(1)


def stepped(optimizer: torch.optim.Optimizer) -> None:
    """Two steps with gradients that are no two alike."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(2):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()


def read_back(folder: Path) -> Checkpoint:
    """The only checkpoint of a folder."""
    files = [
        FoundFile(path, path.relative_to(folder).as_posix(), "checkpoint", path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".pt", ".safetensors")
    ]
    data = read_checkpoints(files, folder)
    assert not data.problems and len(data.checkpoints) == 1
    return data.checkpoints[0]


def in_one_file(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Optimizer:
    """The optimizer as it comes back from a file beside its model."""
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "a.pt")
    return read_back(folder).optimizers[0]


def in_a_folder(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Optimizer:
    """The optimizer as it comes back from the Trainer's folder, whose weights are sorted by name."""
    place = folder / "checkpoint-2"
    place.mkdir(parents=True)
    tied = {id(tensor): name for name, tensor in reversed(list(model.state_dict(keep_vars=True).items()))}
    save_file(
        {name: model.state_dict()[name].contiguous() for name in tied.values()}, place / "model.safetensors", metadata={"format": "pt"}
    )
    torch.save(optimizer.state_dict(), place / "optimizer.pt")
    (place / "trainer_state.json").write_text(json.dumps({"global_step": 2, "epoch": 1.0, "log_history": []}))
    return read_back(folder).optimizers[0]


def right_and_open(found: Optimizer, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, int]:
    """Entries under the right name and entries that kept their numbers. One under a wrong name fails."""
    named = dict(model.named_parameters())
    numbered = 0
    for name, slots in found.slots.items():
        if name.startswith("#"):
            numbered += 1
            continue
        moment = slots["exp_avg"]
        expected = optimizer.state[named[name]]["exp_avg"].numpy().reshape(-1)
        np.testing.assert_array_equal(moment.read(0, expected.size), expected, err_msg=name)
    return len(found.slots) - numbered, numbered


# --- nets with the names and the order of well-known ones -------------------------------------------------------------


def bert(layers: int = 3, width: int = 8) -> nn.Module:
    """Names, shapes and order of BERT with a classifier."""

    def layer() -> nn.Module:
        parts = {key: nn.Linear(width, width) for key in ("query", "key", "value")}
        output = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width)})
        return nn.ModuleDict(
            {
                "attention": nn.ModuleDict({"self": nn.ModuleDict(parts), "output": output}),
                "intermediate": nn.ModuleDict({"dense": nn.Linear(width, 4 * width)}),
                "output": nn.ModuleDict({"dense": nn.Linear(4 * width, width), "LayerNorm": nn.LayerNorm(width)}),
            }
        )

    embeddings = {"word_embeddings": nn.Embedding(50, width), "position_embeddings": nn.Embedding(20, width)}
    embeddings |= {"token_type_embeddings": nn.Embedding(2, width)}
    whole = nn.ModuleDict({**embeddings, "LayerNorm": nn.LayerNorm(width)})
    encoder = nn.ModuleDict({"layer": nn.ModuleList(layer() for _ in range(layers))})
    return nn.ModuleDict(
        {
            "bert": nn.ModuleDict({"embeddings": whole, "encoder": encoder, "pooler": nn.ModuleDict({"dense": nn.Linear(width, width)})}),
            "classifier": nn.Linear(width, 3),
        }
    )


def llama(layers: int = 12, width: int = 8) -> nn.Module:
    """Names, shapes and order of Llama: no biases, two norms behind what they stand before."""

    def layer() -> nn.Module:
        attention = {key: nn.Linear(width, width, bias=False) for key in ("q_proj", "k_proj", "v_proj", "o_proj")}
        mlp = {"gate_proj": nn.Linear(width, 20, bias=False), "up_proj": nn.Linear(width, 20, bias=False)}
        mlp["down_proj"] = nn.Linear(20, width, bias=False)
        norms = {key: nn.RMSNorm(width) for key in ("input_layernorm", "post_attention_layernorm")}
        return nn.ModuleDict({"self_attn": nn.ModuleDict(attention), "mlp": nn.ModuleDict(mlp), **norms})

    inner = {"embed_tokens": nn.Embedding(50, width), "layers": nn.ModuleList(layer() for _ in range(layers)), "norm": nn.RMSNorm(width)}
    return nn.ModuleDict({"model": nn.ModuleDict(inner), "lm_head": nn.Linear(width, 50, bias=False)})


def gpt(layers: int = 11, width: int = 8) -> nn.Module:
    """Names, shapes and order of GPT-2, its head tied to its embedding."""

    def layer() -> nn.Module:
        attention = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)})
        mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})
        return nn.ModuleDict({"ln_1": nn.LayerNorm(width), "attn": attention, "ln_2": nn.LayerNorm(width), "mlp": mlp})

    inner = {"wte": nn.Embedding(50, width), "wpe": nn.Embedding(16, width), "h": nn.ModuleList(layer() for _ in range(layers))}
    inner["ln_f"] = nn.LayerNorm(width)
    model = nn.ModuleDict({"transformer": nn.ModuleDict(inner), "lm_head": nn.Linear(width, 50, bias=False)})
    model["lm_head"].weight = inner["wte"].weight
    return model


def vit(layers: int = 3, width: int = 8) -> nn.Module:
    """Names, shapes and order of timm's vision transformer."""

    def layer() -> nn.Module:
        attention = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        return nn.ModuleDict({"norm1": nn.LayerNorm(width), "attn": attention, "norm2": nn.LayerNorm(width), "mlp": mlp})

    patch = nn.ModuleDict({"proj": nn.Conv2d(3, width, 4)})
    body = {"patch_embed": patch, "blocks": nn.ModuleList(layer() for _ in range(layers)), "norm": nn.LayerNorm(width)}
    model = nn.ModuleDict({**body, "head": nn.Linear(width, 5)})
    model.cls_token, model.pos_embed = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.zeros(1, 17, width))
    return model


class Basic(nn.Module):
    """A block of ResNet-18."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, bias=False), nn.BatchNorm2d(width)
        if inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))


def resnet() -> nn.Module:
    """Names, shapes and order of a small ResNet-18."""
    stages = {f"layer{n}": nn.Sequential(Basic(max(4, 2 * n), 2 * n + 2), Basic(2 * n + 2, 2 * n + 2)) for n in range(1, 5)}
    stem: dict[str, nn.Module] = {"conv1": nn.Conv2d(3, 4, 7, bias=False), "bn1": nn.BatchNorm2d(4)}
    return nn.Sequential(OrderedDict[str, nn.Module]({**stem, **stages, "fc": nn.Linear(10, 3)}))


NETS: dict[str, Callable[[], nn.Module]] = {"bert": bert, "llama": llama, "gpt": gpt, "vit": vit, "resnet": resnet}


# --- how scripts split them -------------------------------------------------------------------------------------------


def by_axes(model: nn.Module) -> list[dict[str, Any]]:
    """As nanoGPT: matrices are decayed, vectors are not."""
    parameters = list(model.parameters())
    return [{"params": [p for p in parameters if p.dim() >= 2]}, {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]


def as_trainer(model: nn.Module) -> list[dict[str, Any]]:
    """As transformers' Trainer: neither biases nor what belongs to a normalization of layers is decayed."""
    norms = {
        f"{module}.{name}"
        for module, layer in model.named_modules()
        if isinstance(layer, (nn.LayerNorm, nn.RMSNorm))
        for name, _ in layer.named_parameters(recurse=False)
    }
    decayed = [p for name, p in model.named_parameters() if name not in norms and "bias" not in name]
    others = [p for name, p in model.named_parameters() if name in norms or "bias" in name]
    return [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]


def layer_wise(model: nn.Module) -> list[dict[str, Any]]:
    """As BEiT and timm: a rate for each depth, with and without decay, groups as a loop over the net meets them."""
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        depth = name.split(".")[1] if name.startswith("blocks.") else "head" if name.startswith(("norm", "head")) else "stem"
        decayed = parameter.dim() > 1 and name not in ("cls_token", "pos_embed")
        group = groups.setdefault((depth, decayed), {"params": [], "lr": 1e-3 * (1 + len(groups)), "weight_decay": 0.1 * decayed})
        group["params"].append(parameter)
    return list(groups.values())


def one_group(model: nn.Module) -> list[dict[str, Any]]:
    """All of it."""
    return [{"params": list(model.parameters())}]


@pytest.mark.parametrize("split", [one_group, by_axes, as_trainer], ids=lambda split: str(split.__name__))
@pytest.mark.parametrize("net", NETS)
def test_files_that_keep_order_are_joined_whole(tmp_path: Path, net: str, split: Callable[[nn.Module], list[dict[str, Any]]]) -> None:
    """Torch files hold names in order: every entry is joined for one group, and for the two of nanoGPT and the Trainer."""
    model = NETS[net]()
    optimizer = torch.optim.AdamW(split(model), lr=1e-3)
    stepped(optimizer)
    found = in_one_file(tmp_path, model, optimizer)
    assert right_and_open(found, model, optimizer) == (len(list(model.parameters())), 0), found.matched


@pytest.mark.parametrize("split", [one_group, by_axes, as_trainer], ids=lambda split: str(split.__name__))
@pytest.mark.parametrize("net", NETS)
def test_the_trainers_folder_is_joined_as_far_as_it_can_be_proved(
    tmp_path: Path, net: str, split: Callable[[nn.Module], list[dict[str, Any]]]
) -> None:
    """Sorted names say little of order; numbers, shapes, and the usual order of well-known modules leave one way to join."""
    model = NETS[net]()
    optimizer = torch.optim.AdamW(split(model), lr=1e-3)
    stepped(optimizer)
    found = in_a_folder(tmp_path, model, optimizer)
    right, left = right_and_open(found, model, optimizer)
    total = len(list(model.parameters()))
    assert (right, left) == (total, 0), found.matched
    assert "one way only" in found.matched


def test_layer_wise_rates_are_joined(tmp_path: Path) -> None:
    """Groups by depth and decay, opened as a loop over the net meets them."""
    model = vit()
    optimizer = torch.optim.AdamW(layer_wise(model), lr=1e-3)
    stepped(optimizer)
    found = in_one_file(tmp_path, model, optimizer)
    assert right_and_open(found, model, optimizer) == (len(list(model.parameters())), 0), found.matched
    assert len(set(found.group_of.values())) == len(optimizer.param_groups) > 6


def test_layers_of_one_shape_from_the_end_are_not_joined_the_wrong_way(tmp_path: Path) -> None:
    """Groups of equal layers could be in either order: nothing is joined rather than the wrong way round."""
    model = nn.Sequential(*[nn.Linear(6, 6) for _ in range(4)])
    optimizer = torch.optim.AdamW([{"params": [model[3].weight, model[2].weight]}, {"params": [model[0].weight, model[3].bias]}], lr=1e-3)
    stepped(optimizer)
    found = in_one_file(tmp_path, model, optimizer)
    assert all(name.startswith("#") for name in found.slots) and found.matched.startswith("not joined")


class Lists(nn.Module):
    """Parameters in a list, a frozen backbone, an adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 9))
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(n)) for n in (3, 4, 3)])
        self.head = nn.Linear(9, 2)


@pytest.mark.parametrize("chosen", ["all", "head", "no backbone", "named"])
def test_parts_of_a_net_and_lists_are_joined(tmp_path: Path, chosen: str) -> None:
    """A ParameterList, a frozen backbone left out, a head alone, and names that the optimizer keeps."""
    model = Lists()
    picked: dict[str, Any] = {
        "all": list(model.parameters()),
        "head": list(model.head.parameters()),
        "no backbone": [*model.scales, *model.head.parameters()],
        "named": [pair for pair in model.named_parameters() if not pair[0].startswith("backbone")],
    }
    optimizer = torch.optim.AdamW(picked[chosen], lr=1e-3)
    stepped(optimizer)
    found = in_one_file(tmp_path, model, optimizer)
    assert right_and_open(found, model, optimizer) == (len(picked[chosen]), 0), found.matched


@pytest.mark.parametrize("container", ["file", "folder"])
def test_an_adapter_alone_is_joined(tmp_path: Path, container: str) -> None:
    """LoRA: the optimizer holds the adapter's matrices, the file the whole net; of one shape, numbers tell them apart."""
    layers = [
        nn.ModuleDict({"base": nn.Linear(6, 6), "lora_A": nn.Linear(6, 2, bias=False), "lora_B": nn.Linear(2, 6, bias=False)})
        for _ in range(11)
    ]
    model = nn.ModuleDict({"layers": nn.ModuleList(layers)})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)
    stepped(optimizer)
    found = (in_one_file if container == "file" else in_a_folder)(tmp_path, model, optimizer)
    right, left = right_and_open(found, model, optimizer)
    assert right == 22 and left == 0, found.matched


def test_names_as_keys_are_taken_as_they_are(tmp_path: Path) -> None:
    """FSDP's full optimizer state: names in place of numbers."""
    model = bert()
    optimizer = torch.optim.AdamW(as_trainer(model), lr=1e-3)
    stepped(optimizer)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    state = optimizer.state_dict()
    numbers = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    groups, at = [], 0
    for group in state["param_groups"]:
        groups.append({**group, "params": numbers[at : at + len(group["params"])]})
        at += len(group["params"])
    full = {"state": {numbers[number]: entry for number, entry in state["state"].items()}, "param_groups": groups}
    torch.save({"model": {f"module.{name}": value for name, value in model.state_dict().items()}, "optimizer": full}, tmp_path / "a.pt")
    found = read_back(tmp_path).optimizers[0]
    assert found.matched == "by name" and right_and_open(found, model, optimizer) == (len(numbers), 0)


def test_lightning_and_two_optimizers(tmp_path: Path) -> None:
    """A LightningModule with a generator and a discriminator keeps one state_dict and a list of optimizers."""
    model = nn.ModuleDict(
        {
            "generator": nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 6)),
            "discriminator": nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 1)),
        }
    )
    optimizers = [torch.optim.Adam(net.parameters(), lr=rate) for net, rate in zip(model.children(), (1e-3, 2e-3), strict=True)]
    for optimizer in optimizers:
        stepped(optimizer)
    content = {"state_dict": model.state_dict(), "optimizer_states": [one.state_dict() for one in optimizers], "global_step": 2}
    torch.save(content, tmp_path / "a.pt")
    found = read_back(tmp_path).optimizers
    for one, optimizer in zip(found, optimizers, strict=True):
        assert right_and_open(one, model, optimizer) == (4, 0), one.matched


# --- what is proved, and what is not ----------------------------------------------------------------------------------


def test_siblings_of_one_shape_keep_their_numbers(tmp_path: Path) -> None:
    """Whether `up` or `left` was made first is not in the names: their entries stay open, all others are joined."""
    model = nn.Sequential(
        OrderedDict[str, nn.Module](
            stem=nn.Linear(3, 6),
            body=nn.ModuleDict({"up": nn.Linear(6, 6), "left": nn.Linear(6, 6), "norm": nn.LayerNorm(6)}),
            head=nn.Linear(6, 2),
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    stepped(optimizer)
    found = in_a_folder(tmp_path, model, optimizer)
    assert right_and_open(found, model, optimizer) == (6, 4)
    assert "4 of 10 entries fit more than one parameter" in found.matched and "body.left" in found.matched


def test_the_usual_order_gives_way_to_shapes() -> None:
    """A net that makes `o_proj` first, against the custom, is joined by its shapes."""
    shapes = {"o_proj": (5, 4), "q_proj": (4, 6), "k_proj": (4, 7), "v_proj": (4, 8)}
    entries = [[(str(index), shape) for index, shape in enumerate(shapes.values())]]
    found = align(entries, [(f"a.{key}.weight", shapes[key], 0) for key in sorted(shapes)])
    assert found is not None and found.usual == 0
    assert found.names == {str(index): f"a.{key}.weight" for index, key in enumerate(shapes)}


def test_shapes_that_fit_no_order_are_refused() -> None:
    """An entry of a shape that no parameter has, one too many, or a module's own tensor behind its parts."""
    names = [("a.weight", (2, 3), 0), ("b.weight", (4, 2), 0), ("scale", (1,), 0)]
    assert align([[("0", (1,)), ("1", (2, 3)), ("2", (4, 2))]], names) is not None
    assert align([[("0", (1,)), ("1", None), ("2", (4, 2))]], names) is not None
    for entries in (
        [("0", (1,)), ("1", (2, 3)), ("2", (9, 9))],
        [("0", (1,)), ("1", (2, 3))],
        [("0", (2, 3)), ("1", (4, 2)), ("2", (1,))],
    ):
        assert align([entries], names) is None


def test_proofs_hold_for_every_order_of_modules() -> None:
    """Whatever order a random net was made in, no join that is said to be proved is wrong."""
    draw = random.Random(0)
    joined = 0
    for _ in range(150):
        net: dict[str, tuple[int, ...]] = {}
        modules = [f"{word}{number}" for word in draw.sample("abcdefg", 4) for number in ("", "1", "2")[: draw.randint(1, 3)]]
        stems: dict[str, list[str]] = {}
        for module in modules:
            stems.setdefault(module[0], []).append(module)
        order = [stem for stem, members in stems.items() for _ in members]
        draw.shuffle(order)
        waiting = {stem: iter(sorted(members)) for stem, members in stems.items()}
        for stem in order:
            module = next(waiting[stem])
            width = draw.choice([2, 3, 4])
            net[f"{module}.weight"] = (width, draw.choice([2, 3]))
            if draw.random() < 0.5:
                net[f"{module}.bias"] = (width,)
        entries = [(str(index), shape) for index, shape in enumerate(net.values())]
        found = align([entries], [(name, net[name], 0) for name in sorted(net)])
        assert found is not None
        truth = {str(index): name for index, name in enumerate(net)}
        assert all(truth[number] == name for number, name in found.names.items())
        joined += len(found.names)
    assert joined > 100


def test_a_net_of_many_alike_siblings_ends() -> None:
    """Two hundred siblings of one shape and two hundred of another: given up or left open, and soon."""
    names = [(f"{chr(97 + index % 26)}{chr(97 + index // 26)}x.weight", (2 + index % 2, 2), 0) for index in range(400)]
    shapes: list[tuple[int, ...]] = [(2 + index % 2, 2) for index in range(400)]
    random.Random(0).shuffle(shapes)
    found = align([[(str(index), shape) for index, shape in enumerate(shapes)]], names)
    assert found is None or not found.names


@pytest.mark.parametrize(
    ("groups", "parameters", "expected"),
    [
        ([[(2,), (3,)]], [(2,), (3,)], ((0, 0), False)),
        ([[(3,)]], [(2,), (3,), (4,)], ((-1, 0, -1), False)),
        ([[(2,)]], [(2,), (2,)], None),
        ([[(2,), (2,)], [(3,), (3,)]], [(2,), (3,), (2,), (3,)], ((0, 1, 0, 1), False)),
        ([[(2,)], [(2,)]], [(2,), (2,)], None),
        ([[(2,), (3,)], [(2,), (3,)]], [(2,), (3,), (2,), (3,)], None),
        ([[(9,)], [(2,)], [(2,)]], [(9,), (2,), (2,)], ((0, 1, 2), True)),
        ([[(9,)]], [(2,)], None),
        ([], [(2,)], None),
    ],
)
def test_groups_are_dealt_in_the_only_way(groups: Any, parameters: Any, expected: tuple[tuple[int, ...], bool] | None) -> None:
    """Within a group the net's order holds; of several ways one counts in which groups open in turn, and not from the end as well."""
    found = split_of(groups, parameters)
    assert (None if found is None else (found.group_of, found.in_turn)) == expected
