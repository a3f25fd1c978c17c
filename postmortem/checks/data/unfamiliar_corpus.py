"""Not shown on a standard corpus

## What it looks for
Whether the settings name a well-known data set (MNIST, CIFAR, ImageNet, Iris, WikiText, ...), for which it is known
what a right program reaches.

## Why it matters
A faulty program and a hard data set look the same. On a corpus that everyone has trained on, only the program can be at
fault.

## What to do
Run the same code on the nearest standard corpus, and compare with published numbers.

## When it is wrong
A name is all it reads: a private set may be called `digits`, and a standard one may be damaged. An unknown corpus is no
fault, and never raises an alarm.

## References
Karpathy, A Recipe for Training Neural Networks.
"""

from __future__ import annotations

import math
import re

from postmortem.model import Example, Finding, Measured, Measurement

NEEDS = ("data.corpus",)
CHECKLIST = ("standard-corpus",)
LEADS_ITEMS = ("standard-corpus",)

_NAMES = (
    "mnist fashionmnist kmnist emnist qmnist usps svhn cifar cifar10 cifar100 cinic10 stl10 imagenet imagenet1k imagenet21k "
    "ilsvrc2012 tinyimagenet imagenette imagewoof places365 caltech101 caltech256 food101 flowers102 oxfordpets oxfordiiitpet "
    "stanfordcars cub200 dtd eurosat gtsrb celeba lsun ffhq coco mscoco voc pascalvoc voc2007 voc2012 cityscapes ade20k kitti "
    "nuscenes modelnet40 shapenet digits iris wine breastcancer diabetes bostonhousing californiahousing titanic adult "
    "covtype higgs agnews imdb yelp sst2 sst5 glue superglue cola mnli mrpc qnli qqp rte stsb squad snli conll2003 wikitext "
    "wikitext2 wikitext103 ptb penntreebank enwik8 text8 c4 thepile openwebtext tinyshakespeare shakespeare shakespearechar "
    "tinystories bookcorpus lambada wmt14 wmt16 iwslt14 multi30k librispeech ljspeech commonvoice speechcommands esc50 "
    "urbansound8k gtzan voxceleb cora citeseer pubmed ogbnarxiv ogbnproducts qm9 zinc mutag movielens ml100k ml1m criteo "
    "electricity etth1 etth2 ettm1 ettm2 m4"
)
KNOWN = frozenset(_NAMES.split())
"""Names in lower case, letters and digits only."""


def _known(name: str) -> str:
    """The well-known corpus in a name, or empty: the name itself, or one of its parts between / : and spaces."""
    parts = [name, *re.split(r"[/\\:\s]+", name)]
    for part in parts:
        plain = re.sub(r"[^a-z0-9]", "", re.sub(r"\.\w+$", "", part.lower()))
        plain = re.sub(r"^(sklearn|torchvision|load|uci)|(dataset|data)$", "", plain)
        if plain in KNOWN:
            return plain
    return ""


def judge(measured: Measured) -> Finding:
    corpus = measured.text("data.corpus")
    shown = f"{corpus[:60]!r}"
    if _known(corpus):
        return Finding("pass", f"the run is on {shown}, a well-known corpus")
    return Finding(
        "not-checked", f"the run is on {shown}, which is not among the well-known corpora: only a run on one of those would tell"
    )


def _corpus(name: str) -> Measurement:
    return Measurement("data.corpus", math.nan, "", "setting 'dataset'", text=name)


EXAMPLES = (
    Example("CIFAR-10", (_corpus("CIFAR-10"),), "pass"),
    Example("a hub's name", (_corpus("Salesforce/wikitext"),), "pass"),
    Example("one of scikit-learn's", (_corpus("load_digits"),), "pass"),
    Example("a private corpus", (_corpus("factory_line_7"),), "not-checked"),
    Example("no setting names it", (), "not-checked"),
)
