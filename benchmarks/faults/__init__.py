"""The fault corpus: real trainings with an injected fault, each beside a healthy twin that differs in nothing else."""
