"""What to log next time, by artifact: one sentence and the lines of code that do it.

Measurements that could not be made point here by key (`Missing.log_next`), and every report prints the advice beside the check
that had to be left out. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """How to make one artifact."""

    what: str
    """One sentence."""
    code: str
    """The lines of Python that do it, in terms of torch and a `SummaryWriter` called `writer`."""


ADVICE: dict[str, Advice] = {
    "training-loss": Advice(
        "Log the training loss from the first step on.",
        'writer = SummaryWriter(run_folder)\nwriter.add_scalar("train/loss", loss.item(), step)',
    ),
    "longer-curve": Advice(
        "Log the loss more often: at least 100 points a run.",
        'if step % max(1, total_steps // 200) == 0:\n    writer.add_scalar("train/loss", loss.item(), step)',
    ),
    "validation-loss": Advice(
        "Log a validation loss beside the training loss, at the same steps.",
        'model.eval()\nwriter.add_scalar("val/loss", validate(model), step)',
    ),
    "accuracy": Advice(
        "Of a classifier, log the accuracy on training and on validation data.",
        'writer.add_scalar("train/accuracy", train_accuracy, step)\nwriter.add_scalar("val/accuracy", val_accuracy, step)',
    ),
    "per-class": Advice(
        "Of a classifier, log the recall of each class on validation data.",
        'for name, recall in recall_by_class.items():\n    writer.add_scalar(f"val/recall/{name}", recall, step)',
    ),
    "learning-rate": Advice(
        "Log the learning rate that the optimizer used.",
        'rate = optimizer.param_groups[0]["lr"]\nwriter.add_scalar("train/learning_rate", rate, step)',
    ),
    "wall-times": Advice(
        "Log scalars while the run goes on, with a writer that stamps each with its time, at 20 steps or more.",
        'writer.add_scalar("train/loss", loss.item(), step)',
    ),
    "gradient-norm": Advice(
        "Log the gradient norm before clipping.",
        'norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)\nwriter.add_scalar("train/grad_norm", norm, step)',
    ),
    "layer-gradients": Advice(
        "Log the gradient's norm of every layer now and then.",
        "for name, parameter in model.named_parameters():\n"
        "    if parameter.grad is not None:\n"
        '        writer.add_scalar(f"grad_norm/{name}", parameter.grad.norm().item(), step)',
    ),
    "return": Advice(
        "Log the mean return of whole episodes at every update.",
        'writer.add_scalar("rollout/ep_rew_mean", sum(returns) / len(returns), step)',
    ),
    "policy-entropy": Advice(
        "Log the policy's entropy, and of a continuous policy the standard deviation of its actions.",
        'writer.add_scalar("train/entropy", policy.entropy().mean().item(), step)\n'
        'writer.add_scalar("train/std", policy.stddev.mean().item(), step)',
    ),
    "policy-divergence": Advice(
        "Log how far each update carries the policy, and the share of samples that were clipped.",
        "change = new_log_prob - old_log_prob\n"
        'writer.add_scalar("train/approx_kl", (change.exp() - 1 - change).mean().item(), step)\n'
        'writer.add_scalar("train/clip_fraction", ((change.exp() - 1).abs() > clip).float().mean().item(), step)',
    ),
    "pair-losses": Advice(
        "Log the losses of the discriminator and of the generator, each without its penalties.",
        'writer.add_scalar("loss_d", loss_d.item(), step)\nwriter.add_scalar("loss_g", loss_g.item(), step)',
    ),
    "pair-scores": Advice(
        "Log what the discriminator gives real and generated samples on average.",
        'writer.add_scalar("D(x)", torch.sigmoid(on_real).mean().item(), step)\n'
        'writer.add_scalar("D(G(z))", torch.sigmoid(on_fake).mean().item(), step)',
    ),
    "sample-quality": Advice(
        "Measure the samples now and then: FID for images, or how many kinds of the data they cover.",
        'writer.add_scalar("metrics/fid", distance(samples, data), step)',
    ),
    "regularization-loss": Advice(
        "Log the data loss and the regularization loss apart.",
        'writer.add_scalar("train/data_loss", data_loss.item(), step)\n'
        'writer.add_scalar("train/regularization_loss", reg_loss.item(), step)',
    ),
    "checkpoint": Advice(
        "Save a checkpoint with the model's state and the step.",
        'state = {"model": model.state_dict(), "step": step}\ntorch.save(state, f"{run_folder}/step_{step:06d}.pt")',
    ),
    "initial-checkpoint": Advice(
        "Save a checkpoint before the first update.",
        'state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 0}\n'
        'torch.save(state, f"{run_folder}/step_000000.pt")',
    ),
    "two-checkpoints": Advice(
        "Keep at least two checkpoints of a run, not only the last.",
        "if step % (total_steps // 5) == 0:\n"
        '    torch.save({"model": model.state_dict(), "step": step}, f"{run_folder}/step_{step:06d}.pt")',
    ),
    "more-checkpoints": Advice(
        "Keep more checkpoints: at least five, from the first step to the last, some of them before any trouble.",
        "if step % max(1, total_steps // 10) == 0:\n"
        '    torch.save({"model": model.state_dict(), "step": step}, f"{run_folder}/step_{step:06d}.pt")',
    ),
    "step-in-checkpoint": Advice(
        "Store the step of the training loop inside each checkpoint, beside its name.",
        'state["step"] = step\ntorch.save(state, f"{run_folder}/step_{step:06d}.pt")',
    ),
    "scheduler-state": Advice(
        "Where a scheduler sets the learning rate, save its state in every checkpoint.",
        'state["scheduler"] = scheduler.state_dict()',
    ),
    "optimizer-groups": Advice(
        "Save the optimizer's state dictionary whole: its groups with their settings and its counters of steps, not its moments alone.",
        'state["optimizer"] = optimizer.state_dict()  # {"state": ..., "param_groups": ...}',
    ),
    "rank-checkpoints": Advice(
        "Of a distributed job, save the model's state from every rank now and then.",
        'state = {"model": model.state_dict(), "step": step}\n'
        'torch.save(state, f"{run_folder}/step_{step:06d}_rank{torch.distributed.get_rank()}.pt")',
    ),
    "optimizer-state": Advice(
        "Save the optimizer's state in every checkpoint.",
        'state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}\n'
        'torch.save(state, f"{run_folder}/step_{step:06d}.pt")',
    ),
    "stepped-optimizer": Advice(
        "Step the optimizer that holds the model's own parameters, and see once that its state fills.",
        "optimizer = torch.optim.AdamW(model.parameters())  # after the model was moved or wrapped\n"
        'assert optimizer.state_dict()["state"], "no parameter of the optimizer ever had a gradient"  # after the first step',
    ),
    "scaler-state": Advice(
        "Where training is in half precision, save the gradient scaler's state in every checkpoint.",
        'state["scaler"] = scaler.state_dict()\nwriter.add_scalar("train/loss_scale", scaler.get_scale(), step)',
    ),
    "activation-histograms": Advice(
        "Log histograms of activations, one tag a layer, now and then.",
        'module.register_forward_hook(lambda m, i, out: kept.__setitem__("tanh1", out))\n'
        'writer.add_histogram("activations/tanh1", kept["tanh1"], step)',
    ),
    "manifest": Advice(
        "Put a table of the records beside the run, with a label and a split column.",
        'frame = pandas.DataFrame({"id": ids, "label": labels, "split": splits})\nframe.to_csv(f"{run_folder}/manifest.csv", index=False)',
    ),
    "manifest-splits": Advice(
        "Say of every record which split it is in, training's too, in one table.",
        'frame["split"] = ["train" if key in train_keys else "validation" if key in validation_keys else "test" for key in frame["id"]]',
    ),
    "record-groups": Advice(
        "Name the patient, speaker or scene of every record in a column of its own.",
        'frame["patient_id"] = [patient_of[key] for key in frame["id"]]\nframe.to_csv(f"{run_folder}/manifest.csv", index=False)',
    ),
    "class-names": Advice(
        "Keep the counts of all classes of the label map beside the run, those without a record too.",
        "counts = collections.Counter(labels)\n"
        'pathlib.Path(f"{run_folder}/class_counts.json").write_text(json.dumps({name: counts[name] for name in class_names}))',
    ),
    "data-files": Advice(
        "Analyze where the data lie, or bring a few dozen of the files along under the names that the manifest gives.",
        "for path in random.sample(paths, 64):\n    shutil.copy2(data_root / path, run_folder / path)",
    ),
    "input-constants": Advice(
        "Record the mean and deviation that the loader subtracts and divides by, one a channel.",
        'constants = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}\n'
        'pathlib.Path(f"{run_folder}/preprocessor_config.json").write_text(json.dumps(constants))',
    ),
    "record-keys": Advice(
        "Give every record a key that is the same wherever the record turns up: a hash of its content.",
        'frame["sha256"] = [hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in paths]\n'
        'frame.to_csv(f"{run_folder}/manifest.csv", index=False)',
    ),
    "input-statistics": Advice(
        "Record mean and standard deviation of the inputs as the model sees them.",
        'batch = next(iter(loader))[0]\nwriter.add_hparams({"input_mean": batch.mean().item(), "input_std": batch.std().item()}, {})',
    ),
    "hyperparameters": Advice(
        "Log the hyper-parameters, among them the dataset's name and whether weights are pre-trained.",
        'settings = {"dataset": "cifar10", "pretrained": False, "activation": "relu", "class_weights": False}\n'
        "writer.add_hparams(settings, {})",
    ),
    "planned-steps": Advice(
        "Log how many steps or epochs are planned.",
        'writer.add_hparams({"max_steps": total_steps}, {})',
    ),
    "batch-size": Advice(
        "Log the batch size among the hyper-parameters.",
        'writer.add_hparams({"batch_size": loader.batch_size}, {})',
    ),
    "data-set-name": Advice(
        "Log the name of the data set among the hyper-parameters.",
        'writer.add_hparams({"dataset": "cifar10"}, {})',
    ),
    "pretrained": Advice(
        "Log whether weights are pre-trained.",
        'writer.add_hparams({"pretrained": False}, {})',
    ),
    "activation": Advice(
        "Log the name of the activation function among the hyper-parameters.",
        'writer.add_hparams({"activation": "relu"}, {})',
    ),
    "class-weights": Advice(
        "Log whether classes are weighted or resampled.",
        'writer.add_hparams({"class_weights": class_weights is not None}, {})',
    ),
    "clip-norm": Advice(
        "Where gradients are clipped, log the norm at which.",
        'writer.add_hparams({"max_grad_norm": max_norm}, {})',
    ),
    "optimizer-settings": Advice(
        "Log the optimizer with its learning rate and weight decay among the hyper-parameters.",
        'writer.add_hparams({"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01}, {})',
    ),
    "small-set-run": Advice(
        "Train on 100 records until the loss is near zero, and analyze that run as well.",
        "small = torch.utils.data.Subset(train_set, range(100))\nloader = DataLoader(small, batch_size=20, shuffle=True)",
    ),
    "job-log": Advice(
        "Keep what the job prints, errors included, in a file beside the run, and print when training is done.",
        '# start it with: python -u train.py > "$RUN/train.log" 2>&1\nprint(f"training completed after {step} steps")',
    ),
    "num-classes": Advice(
        "Say what is predicted: give a manifest of the records with their labels or targets, or of classes their number, --num-classes.",
        'writer.add_hparams({"num_classes": num_classes}, {})\n# or: postmortem analyze RUN --num-classes 10',
    ),
}
