"""The family of a run by tags, parameter names and settings; and what must not be taken for one."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from postmortem.measure.chance import Classes
from postmortem.measure.family import FAMILIES, answers_with_numbers, measure_family, not_of_family
from postmortem.measure.roles import assign
from postmortem.model import Checkpoint, Plain, ReadOptions, RunData, Series


def family(*tags: str, settings: Mapping[str, Plain] | None = None, parameters: tuple[str, ...] = ()) -> str:
    """The family of a run with these tags, settings and parameters."""
    values = np.linspace(2, 1, 30)
    series = tuple(Series(tag, "", np.arange(30), values, np.full(30, np.nan), "events") for tag in tags)
    tensors = dict.fromkeys(parameters, SimpleNamespace(shape=(4, 4)))
    checkpoint = Checkpoint("a.pt", 1, "file name", None, tensors, "", (), {}, 0)
    run = RunData(".", ".", (), series, (), settings or {}, (checkpoint,), (), (), (), ReadOptions())
    (found,) = measure_family(run, assign(series, run.options))
    assert found.text in FAMILIES
    assert found.basis
    return found.text


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("loss", "loss_pde", "loss_bc"), "physics-informed"),
        (("loss_u", "loss_f"), "physics-informed"),
        (("loss", "loss_bc"), "unknown"),
        (("loss", "boundary_loss"), "unknown"),
        (("loss", "bc_loss", "actor_loss"), "rl"),
        (("loss", "recon_loss", "vq_loss", "perplexity"), "unknown"),
        (("loss", "kl_loss", "kd_loss", "ce_loss"), "unknown"),
        (("loss", "kl_loss", "ce_loss", "val_acc"), "classification"),
        (("train/loss", "rewards/chosen", "rewards/accuracies"), "contrastive"),
        (("loss", "val/mIoU"), "segmentation"),
        (("loss_q0", "loss_q1", "loss_q2", "loss_q3", "loss"), "regression"),
        (("loss", "portfolio/return_model"), "unknown"),
    ],
)
def test_family_by_tags(tags: tuple[str, ...], expected: str) -> None:
    """Tags tell the kind of training; words that two kinds share tell nothing alone."""
    assert family(*tags) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (("backbone.conv.weight", "rpn.head.conv.weight"), "detection"),
        (("model.22.dfl.conv.weight",), "detection"),
        (("action_net.weight", "value_net.weight"), "rl"),
        (("actor.0.weight", "critic.0.weight"), "rl"),
        (("fc_mu.weight", "fc_logvar.weight"), "vae"),
        (("time_embedding.linear_1.weight", "down_blocks.0.conv.weight"), "regression"),
        (("transformer.h.0.weight", "lm_head.weight"), "language-model"),
        (("conv1.weight", "fc.weight"), "unknown"),
    ],
)
def test_family_by_parameters(parameters: tuple[str, ...], expected: str) -> None:
    """Names of modules tell the kind where tags do not."""
    assert family("loss", parameters=parameters) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dcgan", "gan"),
        ("StyleGAN2", "gan"),
        ("WGAN-GP", "gan"),
        ("organ_segmenter", "unknown"),
        ("beta-vae", "vae"),
        ("PINN", "physics-informed"),
        ("ppo2", "rl"),
        ("MaskablePPO", "rl"),
        ("sac", "rl"),
        ("transactional", "unknown"),
        ("ddpm", "regression"),
        ("resnet18", "unknown"),
    ],
)
def test_family_by_the_name_of_the_model(name: str, expected: str) -> None:
    """A model's or method's name tells the kind as a word of its own, not as letters inside another word."""
    assert family("loss", settings={"model": name}) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("loss_dis", "loss_gen"), "gan"),
        (("D(x)", "D(G(z))"), "gan"),
        (("real_score", "fake_score", "loss"), "gan"),
        (("adv_loss", "disc_loss"), "gan"),
        (("loss/g/total", "loss/d/total"), "gan"),
        (("AverageEpRet", "LossPi", "LossV"), "rl"),
        (("EpRewMean", "loss_vf_loss"), "rl"),
        (("Reward / Total reward (mean)", "Loss / Policy loss"), "rl"),
        (("loss", "real_time", "fake_quant"), "unknown"),
        (("loss", "loss_g", "loss_b"), "unknown"),
        (("domain_disc_loss", "cls_loss", "val_acc"), "classification"),
    ],
)
def test_families_whose_losses_are_no_losses_by_tags(tags: tuple[str, ...], expected: str) -> None:
    """Pairs and agents are known by the tags that projects use; letters and words that others share tell nothing."""
    assert family(*tags) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (("module.netG.0.weight", "module.netD.0.weight"), "gan"),
        (("model.generator.l1.weight", "model.discriminator.l1.weight"), "gan"),
        (("G_A.0.weight", "D_A.0.weight"), "gan"),
        (("generator.0.weight", "critic.0.weight"), "gan"),
        (("generator.0.weight", "encoder.0.weight"), "unknown"),
        (("policy.action_net.weight", "policy.value_net.weight"), "rl"),
        (("actor_mean.0.weight", "critic.0.weight", "actor_logstd"), "rl"),
        (("a2c_network.mu.weight", "a2c_network.value.weight"), "rl"),
        (("net.0.weight", "policy_head.weight", "value_head.weight"), "rl"),
        (("pi.mu_net.0.weight", "v.v_net.0.weight"), "rl"),
        (("q_network.0.weight", "target_network.0.weight"), "rl"),
        (("attn.q.weight", "attn.v.weight"), "unknown"),
        (("decoder.log_std", "decoder.weight"), "unknown"),
    ],
)
def test_families_whose_losses_are_no_losses_by_parameters(parameters: tuple[str, ...], expected: str) -> None:
    """Pairs and agents are known by the modules that projects save, inside wrappers too."""
    assert family("loss", parameters=parameters) == expected


def test_what_is_asked_of_one_family_is_told_of_no_other() -> None:
    """A known family says which one it is; where none is known the question stays open."""
    assert (
        not_of_family("language-model", "a reinforcement-learning run")[0]
        == "the run is a language model, not a reinforcement-learning run"
    )
    assert not_of_family("unknown", "a reinforcement-learning run") == ("the run is not known to be a reinforcement-learning run", True)


@pytest.mark.parametrize(
    ("levels", "classes", "expected"),
    [
        ((2.35, 0.4), 10, "classification"),
        ((2.6, 0.4), 10, "unknown"),
        ((3.1, 2.31), 10, "classification"),
        ((3.1, 2.36), 10, "unknown"),
        ((1.1, 0.4), 3, "unknown"),
        ((2.35, 0.4), None, "unknown"),
    ],
    ids=["begins at ln C", "begins above", "ends at ln C", "ends above", "three classes are too few", "no class known"],
)
def test_a_loss_at_chance_is_a_cross_entropy(levels: tuple[float, float], classes: int | None, expected: str) -> None:
    """Nothing else makes a loss begin within 5 % of ln C, or stay within 1 % of it, where C is what the head has."""
    values = np.concatenate([[levels[0]], np.full(59, levels[1])])
    (series,) = (Series("loss", "", np.arange(60), values, np.full(60, np.nan), "events"),)
    run = RunData(".", ".", (), (series,), (), {}, (), (), (), (), ReadOptions())
    roled = assign((series,), run.options)
    (found,) = measure_family(run, roled, Classes(classes), roled)
    assert found.text == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("train/loss", "val/loss"), True),
        (("loss_g", "loss_d"), False),
        (("rollout/ep_rew_mean", "train/value_loss"), False),
        (("train/loss", "val/acc"), False),
    ],
)
def test_one_unit_is_the_answer_of_no_critic_and_of_no_classifier(tags: tuple[str, ...], expected: bool) -> None:
    """A discriminator's or an agent's value has one unit whatever the labels are; an accuracy counts classes."""
    series = tuple(Series(tag, "", np.arange(30), np.linspace(2, 1, 30), np.full(30, np.nan), "events") for tag in tags)
    assert answers_with_numbers(assign(series, ReadOptions())) == expected
