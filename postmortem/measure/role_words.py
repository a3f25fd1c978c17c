"""Words of tags and what they speak for: the lists behind `measure/roles.py`.

They follow the tags of about 1,900 event files of 116 public repositories, and those of the trainers in `tests/measure/role_cases.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from postmortem.measure.tags import SPLIT_WORDS


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOSS = _set("loss losses nll xent crossentropy bce ce logloss objective cost elbo")
LOSS_FOLDERS = _set("loss losses cost costs criterion")
"""Folders whose tags are losses though they do not say so (`Loss/box`)."""
ERRORS = _set("mse mae rmse error err bpd")
"""Errors are losses only where nothing else is."""
PLAIN = SPLIT_WORDS | _set(
    "loss losses total overall epoch epochs step steps batch iter iters iteration iterations avg average mean running smoothed smooth ema "
    "scalar scalars metrics metric log logs model sum global current minibatch per vs lm dict aggregated aggregate combined overall cost "
    "costs and"
)
"""Words that leave a loss the total loss."""
PLAIN_FOLDERS = PLAIN | _set("inner samples info stats summary performance results charts scalars tensorboard")
REGULARIZATION = _set("regularization regularisation regularizer regulariser penalty kl kld kldiv l2 wd decay")
DIVERGENCE = _set("kl kld kldiv")
BOX_REGRESSION = _set("box bbox cls conf obj rpn objectness centerness dfl heatmap iou giou")
"""Siblings that make `reg_loss` the regression of boxes."""
HEADS = _set("om oo o2m o2o")
"""Behind such a sibling they are the head that the loss is of, one box to many or to one: YOLOv10 writes `box_om`, and no word for loss."""
PROPOSALS = _set("rpn rcnn roi")
"""Words of the parts of a detector that look at proposals: an accuracy of theirs is a share of proposals, most of them background."""
IMAGES = _set("l1 psnr ssim lpips pixel pix perceptual percep vgg")
"""Siblings that make `l2_loss` a distance between images."""
RECONSTRUCTION = _set("recon reconstruction rec reconstruct reconstructed")
VARIATIONAL = RECONSTRUCTION | _set("elbo vae kld beta")
DATA = RECONSTRUCTION | _set("data task ce xent nll crossentropy bce logloss classification base fit main likelihood")
PHYSICS = _set("pde ode physics boundary bc ic bcs ics residual collocation continuity navier burgers")
ADVERSARIAL = _set("generator discriminator gen disc d g critic adversarial adv gan netg netd")
AGENT = _set("policy value actor critic entropy vf pg surrogate alpha ent approx td baseline q")
RETURNS = _set("return returns reward rewards rew")
NO_RETURN = _set("scale coef coeff weight count num length len lengths model")
SCORES = _set("score scores")
EXPLORATION = _set("epsilon eps exploration")
"""Beside a score they speak of an agent: what it plays for is a return then."""
OF_AN_EVALUATION = _set("macc aacc miou mdice mfscore map pck")
"""Metrics that are taken over a whole set, once an evaluation."""
ACCURACY = _set("acc accuracy top1 acc1 prec1 accuracies binaryaccuracy macc aacc")
OPPONENTS = _set("domain discriminator disc critic adversarial adversary adv dann")
"""Words of a net that is trained against another: its accuracy is not what the run is for, and a guess's is a success."""
HARD_METRICS = _set(
    "psnr ssim lpips ppl perplexity wer cer bleu rouge f1 auc auroc map ap miou r2 precision recall kappa mcc fid accuracy acc approx "
    "approxkl explained clipfrac"
)
"""What these words end is no loss, whatever stands before them or in the folder."""
METRICS = HARD_METRICS | _set(
    "ap50 ap75 apl apm aps ar iou dice score scores metric metrics top5 acc5 prec5 bpb bpc correlation pearson spearman sensitivity "
    "specificity jaccard hits mrr ndcg kl rms rel rank a1 a2 a3 mape smape msle rougel pck"
)
_METRIC_PATTERN = re.compile(r"^(?:m?ap|fid|bleu|rouge|hits|ndcg|recall|precision)\d+k?$")
THROUGHPUT = _set(
    "fps throughput speed time seconds sec runtime eta memory mem gpu cpu second duration latency ms elapsed timer timing timings wps ups "
    "sps tps ips wall mfu flops tflops rays"
)
COSTS_OF_TIME = _set("batch data reader io")
"""PaddlePaddle's trainers log `batch_cost` and `reader_cost` in seconds, beside the loss; without one a cost is the loss."""
EXTREMES = _set("best min max std lowest num")
COEFFICIENTS = _set("coef coeff coefs coeffs coefficient lambda weight weights temperature mul mult multiplier factor")
NO_LOSS = _set("values scores alpha ratio std signs")
"""Words that make a tag in a folder of losses no loss."""
TOTALS = _set("total all global overall norm model pre post before after clip clipped unclipped")
LAYERS = _set("weight bias layer layers param params conv linear kernel gamma")
EPOCHS = _set("epoch epochs")
EPOCH_FOLDERS = SPLIT_WORDS | _set("epoch epochs trainer current global num info progress state number")
_LR = re.compile(r"^lr\d*$")


def has_learning_rate(tag_words: Sequence[str]) -> bool:
    """Whether the words name a learning rate."""
    return any(_LR.match(word) or word in ("learningrate", "lrate") for word in tag_words) or ("learning", "rate") in pairwise(tag_words)


def names_return(word: str) -> bool:
    """Whether a word holds a return or reward: `returnmean`, and `AverageEpRet` and `EpRewMean`, which are not taken apart."""
    return "reward" in word or "return" in word or word.startswith(("eprew", "epret"))


def has_cross_entropy(present: frozenset[str] | set[str]) -> bool:
    """Whether the words name a cross-entropy."""
    return {"cross", "entropy"} <= present


def speaks_of_loss(tag_words: Sequence[str]) -> bool:
    """Whether a word says loss. BasicSR and its kin write `l_pix` for a loss, scripts after the DCGAN tutorial `errD` and `errG`."""
    present = set(tag_words)
    short = len(tag_words) > 1 and (tag_words[0] == "l" or (tag_words[0] == "err" and tag_words[1] in ("d", "g")))
    return bool(present & LOSS) or has_cross_entropy(present) or short


def speaks_of_metric(tag_words: Sequence[str]) -> bool:
    """Whether a word names a metric; recall at k is written `R@1`."""
    return any(word in METRICS or _METRIC_PATTERN.match(word) for word in tag_words) or any(
        first == "r" and second.isdigit() for first, second in pairwise(tag_words)
    )


def of_several_best(tag_words: Sequence[str]) -> bool:
    """Whether an accuracy counts a hit among the first five or ten, which compares with no other accuracy."""
    return any(second in ("5", "10") or first + second in ("top5", "top10") for first, second in pairwise(tag_words)) or bool(
        set(tag_words) & {"top5", "top10", "acc5", "prec5", "acc10"}
    )
