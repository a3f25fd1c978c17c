"""What text logs tell of a job: what it died of, with the line, and nothing of jobs that are well."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmortem.measure.incidents import measure_incidents
from postmortem.model import Console, FoundFile, Measurement, ReadOptions, RunData
from postmortem.read.console.files import read_console


def steps(first: int, last: int, every: int = 10) -> str:
    """Training that goes on."""
    return "".join(
        f"2026-03-01 12:{step // 60:02d}:{step % 60:02d} | epoch {step // 500} step {step} loss {2.3 / (1 + step / 300):.4f} lr 3.0e-04\n"
        for step in range(first, last, every)
    )


def bar(steps: int, total: int) -> str:
    """A progress bar that draws over itself."""
    return "".join(
        f"\r{100 * i // total:3d}%|{'█' * (10 * i // total):10}| {i}/{total} [00:{i % 60:02d}<01:00, 9.8it/s]" for i in range(steps)
    )


def traceback(exception: str, file: str = "train.py", top: str = "<module>") -> str:
    """A traceback from the user's script through an installed package."""
    return (
        "Traceback (most recent call last):\n"
        f'  File "/home/me/{file}", line 210, in {top}\n    main(args)\n'
        f'  File "/home/me/{file}", line 144, in main\n    loss = model(batch)\n           ^^^^^^^^^^^^\n'
        '  File "/opt/conda/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1553, in _call_impl\n'
        "    return forward_call(*args, **kwargs)\n"
        f"{exception}\n"
    )


OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.69 GiB of which 1.81 GiB is "
    "free. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)
ASSERTS = "".join(
    f"../aten/src/ATen/native/cuda/Loss.cu:250: nll_loss_forward_reduce_cuda_kernel_2d: block: [0,0,0], thread: [{i},0,0] "
    "Assertion `t >= 0 && t < n_classes` failed.\n"
    for i in range(32)
)
WATCHDOG = (
    "[rank2]:[E301 14:02:11.880 ProcessGroupNCCL.cpp:616] [Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=8812, "
    "OpType=ALLREDUCE, NumelIn=1048576, Timeout(ms)=600000) ran for 600031 milliseconds before timing out.\n"
    "terminate called after throwing an instance of 'c10::DistBackendError'\n"
)
ELASTIC = (
    "E0301 13:37:05.341 2360 site-packages/torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: {code}) local_rank: 0 "
    "(pid: 2360127) of binary: /opt/conda/bin/python\n"
    + traceback(
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n====\ntrain.py FAILED\n----\nFailures:\n  <NO_OTHER_FAILURES>",
        "torchrun",
    )
    + "  exitcode  : {code} (pid: 2360127)\n  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html\n"
)

DEADLY: dict[str, tuple[str, str, str]] = {
    "error in the code": (steps(0, 900) + traceback("KeyError: 'labels'"), "traceback", "KeyError: 'labels'"),
    "error before anything": (traceback("ModuleNotFoundError: No module named 'apex'"), "traceback", "No module named"),
    "error without progress words": ("loading\nbuilding\n" * 40 + traceback("ValueError: bad"), "traceback", "ValueError: bad"),
    "device memory": (steps(0, 900) + traceback(OOM), "device-out-of-memory", "Tried to allocate 2.50 GiB"),
    "device memory, bar drawn again": (bar(40, 90) + "\n" + traceback(OOM) + bar(1, 90), "device-out-of-memory", "torch.OutOfMemoryError"),
    "device memory in an old torch": (
        traceback("RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0;"),
        "device-out-of-memory",
        "",
    ),
    "device memory in cuBLAS": (
        traceback("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        "device-out-of-memory",
        "",
    ),
    "device memory in TensorFlow": (
        traceback("tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[64,512]"),
        "device-out-of-memory",
        "OOM when allocating",
    ),
    "device memory in JAX": (
        traceback("jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes."),
        "device-out-of-memory",
        "",
    ),
    "device memory under Hydra": (
        steps(0, 300) + "Error executing job with overrides: ['lr=0.1']\n" + traceback(OOM, top="main"),
        "device-out-of-memory",
        "",
    ),
    "device memory on one of four ranks": (
        steps(0, 400)
        + "".join("[rank3]: " + line + "\n" for line in traceback(OOM).splitlines())
        + steps(400, 420)
        + ELASTIC.format(code=1),
        "device-out-of-memory",
        "rank 3",
    ),
    "host memory": (steps(0, 900) + traceback("MemoryError"), "host-out-of-memory", "MemoryError"),
    "host memory in numpy": (
        traceback("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with shape (100000, 100000)"),
        "host-out-of-memory",
        "",
    ),
    "host memory by Slurm": (
        steps(0, 900) + "slurmstepd: error: Detected 1 oom_kill event in StepId=1234.batch. Some of the step tasks have been OOM Killed.\n"
        "srun: error: node7: task 0: Out Of Memory\n",
        "host-out-of-memory",
        "oom_kill",
    ),
    "killed, said by the shell": (
        steps(0, 900) + "/var/spool/slurmd/job12/slurm_script: line 31: 23311 Killed                  python train.py\n",
        "killed",
        "Killed",
    ),
    "killed, one word": (steps(0, 900) + "Killed\n", "killed", "Killed"),
    "killed, by torchrun": (steps(0, 900) + ELASTIC.format(code=-9), "killed", "exitcode"),
    "worker of the loader killed": (
        traceback("RuntimeError: DataLoader worker (pid 4242) is killed by signal: Killed. "),
        "host-out-of-memory",
        "DataLoader worker",
    ),
    "worker of the loader without shared memory": (
        traceback(
            "RuntimeError: DataLoader worker (pid 4242) is killed by signal: Bus error. It is possible that dataloader's workers are out "
            "of shared memory."
        ),
        "shared-memory-full",
        "",
    ),
    "error within a worker": (
        "Traceback (most recent call last):\n" + '  File "t.py", line 9, in <module>\n    for x in loader:\n'
        "RuntimeError: Caught FileNotFoundError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        '  File "data.py", line 31, in __getitem__\n    open(path)\n'
        "FileNotFoundError: [Errno 2] No such file or directory: 'img/7.png'\n",
        "missing-file",
        "data.py, line 31, in __getitem__",
    ),
    "time limit": (
        steps(0, 900) + bar(9, 90) + "slurmstepd: error: *** JOB 1234 ON n7 CANCELLED AT 2026-03-01T12:00:00 DUE TO TIME LIMIT ***\n",
        "time-limit",
        "DUE TO TIME LIMIT",
    ),
    "time limit and what it brought about": (
        steps(0, 900)
        + "slurmstepd: error: *** STEP 12.0 ON n7 CANCELLED AT 2026-03-01T12:00:00 DUE TO TIME LIMIT ***\n"
        + traceback("KeyboardInterrupt"),
        "time-limit",
        "",
    ),
    "time limit of LSF": (
        steps(0, 9, 1) + "TERM_RUNLIMIT: job killed after reaching LSF run time limit.\nExited with exit code 140.\n",
        "time-limit",
        "",
    ),
    "time limit of PBS": (steps(0, 90) + "=>> PBS: job killed: walltime 3634 exceeded limit 3600\n", "time-limit", "walltime"),
    "preempted": (
        steps(0, 900) + "slurmstepd: error: *** JOB 1234 ON n7 CANCELLED AT 2026-03-01T12:00:00 DUE TO PREEMPTION ***\n",
        "preempted",
        "",
    ),
    "cancelled": (steps(0, 900) + "slurmstepd: error: *** JOB 1234 ON n7 CANCELLED AT 2026-03-01T12:00:00 ***\n", "cancelled", "JOB 1234"),
    "node failed": (
        steps(0, 90)
        + "slurmstepd: error: *** JOB 1 ON n7 CANCELLED AT 2026-03-01T12:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n",
        "node-failure",
        "",
    ),
    "by hand": (steps(0, 900) + "^C" + traceback("KeyboardInterrupt"), "stopped-by-hand", "KeyboardInterrupt"),
    "signal": (
        steps(0, 90) + traceback("torch.distributed.elastic.multiprocessing.api.SignalException: Process 3311 got signal: 15"),
        "terminated",
        "",
    ),
    "NaN printed to the end": (steps(0, 90) + "".join(f"epoch {i} loss: nan acc: 0.10\n" for i in range(20)), "nan", "loss: nan"),
    "NaN printed to the end that the script takes for one": (
        steps(0, 90) + "epoch 1/2 train_loss=nan val_loss=nan\nepoch 2/2 train_loss=nan val_loss=nan\nTraining finished\n",
        "nan",
        "train_loss=nan",
    ),
    "shared memory full, told apart from the exception": (
        steps(0, 900)
        + "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).\n"
        + traceback("RuntimeError: DataLoader worker (pid(s) 2360127) exited unexpectedly"),
        "shared-memory-full",
        "bus error",
    ),
    "torch.save to a full disk": (
        steps(0, 900) + traceback("RuntimeError: [enforce fail at inline_container.cc:337] . unexpected pos 448 vs 342"),
        "disk-full",
        "unexpected pos",
    ),
    "ranks lost each other": (steps(0, 900) + WATCHDOG, "collective-timeout", "Watchdog caught"),
    "NCCL error": (
        steps(0, 90)
        + traceback(
            "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:219, unhandled "
            "system error, ncclSystemError: System call failed"
        ),
        "collective-timeout",
        "",
    ),
    "labels": (
        steps(0, 40)
        + ASSERTS
        + traceback("RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"),
        "labels-out-of-range",
        "n_classes",
    ),
    "labels on the CPU": (traceback("IndexError: Target 10 is out of bounds."), "labels-out-of-range", "Target 10"),
    "illegal access": (
        steps(0, 900) + traceback("RuntimeError: CUDA error: an illegal memory access was encountered"),
        "device-fault",
        "illegal memory access",
    ),
    "segmentation fault": (steps(0, 900) + "Segmentation fault (core dumped)\n", "crash", "Segmentation fault"),
    "segmentation fault, by faulthandler": (
        steps(0, 900) + "Fatal Python error: Segmentation fault\n\nCurrent thread 0x7f:\n",
        "crash",
        "",
    ),
    "disk": (
        steps(0, 900) + traceback("OSError: [Errno 28] No space left on device") + "wandb: Synced 5 W&B file(s), 0 media file(s)\n",
        "disk-full",
        "No space left",
    ),
    "quota while saving": (
        steps(0, 900)
        + traceback('SafetensorError: IoError(Os { code: 122, kind: FilesystemQuotaExceeded, message: "Disk quota exceeded" })')
        + "{'loss': 1.4358, 'epoch': 0.52}\n",
        "disk-full",
        "quota",
    ),
    "shapes": (traceback("RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 256x10)"), "shape-mismatch", "32x512"),
    "state of another model": (
        traceback(
            "RuntimeError: Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: copying a param with shape [10, 64]"
        ),
        "shape-mismatch",
        "size mismatch for fc.weight",
    ),
    "file": (traceback("FileNotFoundError: [Errno 2] No such file or directory: 'data/train.bin'"), "missing-file", "data/train.bin"),
    "exit code": (steps(0, 90) + "srun: error: n7: tasks 0-3: Exited with exit code 1\n", "exit-code", "exit code 1"),
    "chain of exceptions": (
        traceback("KeyError: 'mask'")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + traceback("RuntimeError: batch 7"),
        "traceback",
        "KeyError: 'mask'",
    ),
    "second start died": (
        "Loading config configs/base.yaml\nUsing device cuda:0\n" + steps(0, 900) + "Training completed\n"
        "Loading config configs/base.yaml\nUsing device cuda:1\n" + traceback("ValueError: bad"),
        "traceback",
        "ValueError",
    ),
    "rich traceback": (
        steps(0, 90) + "╭───────────── Traceback (most recent call last) ─────────────╮\n│ /home/me/train.py:12 in <module>             │\n"
        "│ ❱ 12 main()                                 │\n╰─────────────────────────────╯\nValueError: bad shape\n",
        "traceback",
        "train.py, line 12",
    ),
    "NaN": (steps(0, 900) + "Loss is nan, stopping training\n{'loss_ce': nan}\n", "nan", "Loss is nan"),
    "NaN of anomaly mode": (
        steps(0, 90) + traceback("RuntimeError: Function 'MulBackward0' returned nan values in its 0th output."),
        "nan",
        "MulBackward0",
    ),
    "NaN in a distribution": (
        steps(0, 90)
        + traceback(
            "ValueError: Expected parameter loc of distribution Normal(loc: [64, 6]) to satisfy the constraint Real(), but "
            "found invalid values:"
        ),
        "nan",
        "found invalid values",
    ),
    "NaN by Keras": (steps(0, 90) + "Batch 5: Invalid loss, terminating training\n", "nan", "Invalid loss"),
}
"""Name -> log, what ended the job, and a piece of the line that has to be quoted."""

WELL: dict[str, str] = {
    "plain": steps(0, 900),
    "nothing but a header": "python 3.11, torch 2.13.0\n",
    "error as a metric": "".join(f"step {i} error=0.{i} killed: 0 failed: 0\n" for i in range(200)),
    "nan in a table of metrics": "".join(f"epoch {i} | loss 0.4 | val_iou nan | val_dice nan\n" for i in range(60)),
    "nan as a cell at the end": steps(0, 90) + "| class | iou |\n| sky | nan |\n| car | 0.4 |\n",
    "nought errors": steps(0, 90) + "0 errors, 0 warnings\nchecked: no NaN in loss\n",
    "settings named after faults": "early_stopping: True\npatience: 5\ndetect_nan: true\nskip_nan_loss: False\noom_retry: 3\n"
    + steps(0, 90),
    "memory said in every line": "".join(f"Epoch [1][{i}/900] lr: 1e-4 time: 0.2 memory: 9911 loss: 0.7\n" for i in range(90)),
    "retry after device memory": steps(0, 90) + ("WARNING CUDA out of memory, retrying with batch size 8\n" + steps(90, 190)) * 10,
    "retry as the last thing said": steps(0, 90) + "CUDA out of memory. Retrying with batch size 8\n",
    "skipped batch": steps(0, 90)
    + "| WARNING: ran out of memory in forward pass, skipping batch: CUDA out of memory. Tried\n"
    + steps(90, 190),
    "traceback that was caught": steps(0, 90) + "could not log images\n" + traceback("ValueError: bad", top="log_images") + steps(90, 400),
    "traceback of the main script that was caught": traceback("ImportError: no apex") + steps(0, 900),
    "traceback of an import in a package": (
        'Traceback (most recent call last):\n  File "/opt/lib/python3.11/site-packages/x/__init__.py", line 2, in <module>\n    import y\n'
        "ModuleNotFoundError: No module named 'y'\n" + steps(0, 90)
    ),
    "traceback in a warning of the loader": (
        steps(0, 90) + "UserWarning: could not read 7.png\n" + traceback("OSError: truncated", top="__getitem__") + steps(90, 300)
    ),
    "a batch of NaN": steps(0, 90) + "epoch 3 loss: nan\n" + steps(90, 300),
    "validation without data": steps(0, 90) + "epoch 9 loss: 0.31 val_loss: nan\n",
    "error at the interpreter's exit": (
        steps(0, 900) + "Error in atexit._run_exitfuncs:\n" + traceback("BrokenPipeError: [Errno 32] Broken pipe", top="teardown")
    ),
    "traceback in a thread": (
        steps(0, 90) + "Exception in thread Thread-3 (_pin):\n" + traceback("ConnectionError: x", top="_bootstrap_inner") + steps(90, 120)
    ),
    "traceback in a destructor at the end": (
        steps(0, 90)
        + "Training completed\nException ignored in: <function x.__del__>\n"
        + traceback("AssertionError: can only test", top="__del__")
    ),
    "traceback in a sample of the model": (
        steps(0, 90) + 'sample: Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: x\n' + steps(90, 900)
    ),
    "killed in a sample of the model": steps(0, 90)
    + "--- sample ---\nKilled\nThe king was killed by his brother.\n--- end ---\n"
    + steps(90, 200),
    "killed in a sentence at the end": steps(0, 90) + "sample: and then the king was Killed\n",
    "a talk about errors": (
        steps(0, 90) + "> how do I solve CUDA out of memory? If it says CUDA out of memory, when it crashes, reduce it.\n" + steps(90, 99)
    ),
    "overflow at the start": "".join(
        f"Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {65536 / 2**i}\n" for i in range(8)
    )
    + steps(0, 90),
    "overflow in DeepSpeed": "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768\n" + steps(0, 90),
    "NCCL is talkative": "".join(f"n7:3311:3399 [0] NCCL INFO Channel {i:02d}/24 : 0 1 2 3\n" for i in range(24)) + steps(0, 90),
    "NCCL warns and goes on": "n7:1:2 [0] NCCL WARN NET/IB : Got async event : port error\n" + steps(0, 900),
    "asserted in words": steps(0, 90) + "Assertion rate: 0.2, segmentation faulty pixels: 3\n",
    "segmentation is the task": "Segmentation model, default segmentation head\n" + steps(0, 90) + "Segmentation mIoU 0.61\n",
    "exit code of a helper": "git exited with exit code 128\n" + steps(0, 900),
    "exit code 0": steps(0, 90) + "srun: task 0: Exited with exit code 0\n",
    "Trainer's end": steps(0, 90) + "{'train_runtime': 41.6, 'train_loss': 2.1, 'epoch': 3.0}\n" + bar(5, 5),
    "Trainer's words": steps(0, 90) + "Training completed. Do not forget to share your model on huggingface.co/models =)\n",
    "Lightning's end": steps(0, 90) + "`Trainer.fit` stopped: `max_epochs=10` reached.\n",
    "Lightning stops early": steps(0, 90) + "Monitored metric val_loss did not improve in the last 3 records. Signaling Trainer to stop.\n",
    "Keras stops early": steps(0, 90) + "Epoch 00034: early stopping\n",
    "YOLO's end": steps(0, 90) + "100 epochs completed in 9.177 hours.\n" + "all 120 0.9 0.8\n" * 40,
    "end, then evaluation": steps(0, 90) + "Finished Training\nAccuracy of the network on the 10000 test images: 54 %\n",
    "helper that the script ended": steps(0, 90)
    + "/var/spool/slurmd/job1/slurm_script: line 9: 77 Terminated    nvidia-smi dmon > gpu.csv\n",
    "helper that was killed": steps(0, 90) + "./job.sh: line 9: 77 Killed    tensorboard --logdir runs\n",
    "message that could not be formatted": (
        steps(0, 90) + "--- Logging error ---\n" + traceback("TypeError: not all arguments converted during string formatting", top="emit")
    ),
    "error while exiting": steps(0, 90) + "Error in atexit._run_exitfuncs:\n" + traceback("BrokenPipeError: [Errno 32] Broken pipe"),
    "folds": (steps(0, 90) + "Training complete in 3m 2s\n") * 5,
    "crash of an earlier start": (
        "Loading config a.yaml\nUsing device cuda:0\n"
        + steps(0, 30)
        + traceback(OOM)
        + "Loading config a.yaml\nUsing device cuda:0\n"
        + steps(0, 30, 1)
    ),
    "stopped by hand, then gone on": "step 1 loss 2\n" * 30 + traceback("KeyboardInterrupt") + steps(0, 900) + "Training completed\n",
    "W&B's summary": steps(0, 90) + "wandb: Run summary:\nwandb: errors 0\nwandb: Synced 5 W&B file(s)\n",
    "time limit in the settings": "#SBATCH time limit 24:00:00\nwalltime=24:00:00\n" + steps(0, 90),
    "signal handler set": "Registering handler for SIGTERM, SIGUSR1\nwill requeue on signal 10\n" + steps(0, 90),
    "NaN batch skipped": steps(0, 90) + "loss is nan, skipping this batch\n" + steps(90, 200),
    "NaN looked for": "will stop if loss is nan\nno nan gradients found in 12 tensors\n" + steps(0, 90),
    "NaN survived": steps(0, 90) + "NaN loss detected at step 90\n" + steps(90, 900),
    "early stopping counts": "".join(f"EarlyStopping counter: {i} out of 7\nepoch {i} loss 1.0\n" for i in range(6)),
    "files missing and made": "FileNotFoundError: cache.bin, building it anew\n" + steps(0, 90),
    "tests of the code": "test_oom PASSED\ntest_killed PASSED\n2 passed, 0 failed, 0 errors\n" + steps(0, 90),
    "finnish financing": steps(0, 90) + "sample: nan bread, finance, banana, oomph, bloom\n",
    "retried download": "urllib error: timeout, attempt 1 of 5\nConnection closed by peer, retrying\n" + steps(0, 90),
    "oom-score set": "oom_score_adj set to 500\n" + steps(0, 90),
    "resumed after a limit": "slurmstepd: error: *** JOB 1 ON n CANCELLED AT 2026-03-01T12:00:00 DUE TO TIME LIMIT ***\n" + steps(0, 900),
}
"""Name -> log of a job that has not died, or has not so far."""


def read(folder: Path, content: str | bytes, name: str = "train.log") -> Console:
    """A text log of this content, read."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    data = read_console(FoundFile(path, name, "console", path.stat().st_size))
    assert data.problems == () and data.console is not None
    return data.console


def measured(*consoles: Console) -> dict[str, Measurement]:
    """What is measured of a run that has these text logs only."""
    run = RunData("r", "r", (), (), (), {}, (), (), (), (), ReadOptions(), consoles=consoles)
    return {found.name: found for found in measure_incidents(run) if isinstance(found, Measurement)}


@pytest.mark.parametrize("name", DEADLY)
def test_what_a_job_died_of(tmp_path: Path, name: str) -> None:
    """The reason is told, with the line that says so."""
    text, kind, quoted = DEADLY[name]
    found = measured(read(tmp_path, text))
    assert found["job.end"].text == kind, found["job.end"].basis
    assert quoted in found["job.end"].basis
    assert found["job.nan_end"].value == (kind == "nan")


@pytest.mark.parametrize("name", DEADLY)
def test_the_line_quoted_stands_where_it_is_said(tmp_path: Path, name: str) -> None:
    """The number in front of a quoted line is that of the line in the file."""
    text, _, quoted = DEADLY[name]
    console = read(tmp_path, text)
    lines = text.split("\n")
    for incident in console.incidents:
        if incident.kind in ("shape-mismatch", "finished"):
            continue  # one quotes two lines, the others stand behind what drew a bar
        at = lines[incident.line - 1].rpartition("\r")[2]
        assert incident.text[:40] in " ".join(at.split()), quoted


@pytest.mark.parametrize("name", WELL)
def test_jobs_that_are_well(tmp_path: Path, name: str) -> None:
    """Frightening words in the log of a job that goes on, or came to its end, are no crash, no end by NaN, no refused labels."""
    found = measured(read(tmp_path, WELL[name]))
    assert "job.end" not in found or found["job.end"].text in ("finished", "early-stopped"), found["job.end"].basis
    assert found["job.nan_end"].value == 0
    assert found["job.label_faults"].value == 0


ENDS = {
    "Trainer's end": "finished",
    "Trainer's words": "finished",
    "Lightning's end": "finished",
    "Lightning stops early": "early-stopped",
    "Keras stops early": "early-stopped",
    "YOLO's end": "finished",
    "end, then evaluation": "finished",
    "stopped by hand, then gone on": "finished",
    "plain": "",
    "early stopping counts": "",
    "settings named after faults": "",
    "nothing but a header": "",
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_of_jobs_that_are_well(tmp_path: Path, name: str) -> None:
    """The words of an end are understood as such; a log without them leaves the end unknown, whatever else it holds."""
    found = measured(read(tmp_path, WELL[name]))
    assert (found["job.end"].text if "job.end" in found else "") == ENDS[name]


@pytest.mark.parametrize("name", WELL)
def test_a_crash_at_the_end_is_seen_through_all_that(tmp_path: Path, name: str) -> None:
    """The same logs, with a crash behind them, are logs of a job that died of it."""
    found = measured(read(tmp_path, WELL[name].rstrip("\n") + "\n" + steps(2000, 2100) + traceback("ZeroDivisionError: division by zero")))
    assert found["job.end"].text == "traceback" and "ZeroDivisionError" in found["job.end"].basis
