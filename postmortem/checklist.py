"""The debugging checklist that every report answers, in its order. Standard library only."""

from __future__ import annotations

ITEMS: dict[str, str] = {
    "overfit-small-set": "Can the model overfit a small set?",
    "standard-corpus": "Does it work on a standard corpus?",
    "mean-centering": "Are the inputs centred and scaled?",
    "balanced-classes": "Are the classes balanced?",
    "beyond-undersampling": "Is imbalance met by more than undersampling?",
    "simplify-model": "Is the model too large for the data?",
    "init-shallow": "Is the initialization right for a shallow model?",
    "init-deep": "Does the initialization carry a signal through a deep model?",
    "pretrained-models": "Were pre-trained weights loaded?",
    "learning-rate": "Is the learning rate right?",
    "initial-cross-entropy": "Does the first cross-entropy equal ln(classes)?",
    "regularization-loss": "Is regularization loss below ten times the data loss?",
    "steep-loss-reduction": "Is the loss free of a steep early drop?",
    "saturated-tanh-sigmoid": "Are tanh and sigmoid units unsaturated?",
    "dead-relus": "Do the ReLU units fire?",
    "gradient-clipping": "Is gradient clipping neither missing nor always on?",
    "plot-gradients": "Do gradients reach every layer?",
    "update-ratio": "Is the ratio of updates to weights near 1e-3?",
    "weight-variance": "Is the variance of weights even across depth?",
}
