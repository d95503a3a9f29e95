#!/usr/bin/env python3
"""Lets the programs themselves write the logs that the readers are tested with: python3 peers.py.

Beside each log stands NAME.json with the numbers that were given to the program, as its format keeps
them (rounded to float32 where it has float32): {"run", "steps": [{"step", ...}], "evals": [{"step",
"set", "loss", "perplexity"}]}, in the order in which a reader has to give them.

The committed files were written under Python 3.11.7 by tensorboard 2.21.0, torch 2.15.0, wandb
0.31.0, mlflow-skinny 3.17.2, transformers 5.23.0 with accelerate 1.15.0, and pandas 3.1.1.
TensorFlow was not there: the tensor form of its summaries is tensorboard's own Event messages with
`tensor` set by tensor_util, as tf.summary.scalar does.

Give names of parts to write only those: tensorboard torch wandb mlflow transformers pandas.
"""
import glob
import json
import math
import os
import random
import shutil
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
START = 1700000000.0


def f32(x):
    return float(np.float32(x))


def number(x):
    if isinstance(x, float) and math.isnan(x):
        return "NaN"
    if isinstance(x, float) and math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return x


def truth(name, steps, evals, run=""):
    lists = {"run": run, "steps": steps, "evals": evals}
    for rows in (steps, evals):
        for row in rows:
            for key in row:
                row[key] = number(row[key])
    with open(os.path.join(HERE, name + ".json"), "w") as f:
        json.dump(lists, f, indent=0)
        f.write("\n")


def curve(seed, steps):
    """Rows of a small run, with a spike and a NaN in it."""
    rng = random.Random(seed)
    for step in steps:
        row = {"step": step, "loss": 2 + 6 * math.exp(-step / 20) + 0.1 * rng.random(),
               "lr": 3e-4 * min(1, step / 10), "grad_norm": math.exp(0.3 * rng.gauss(0, 1))}
        if step == 25:
            row["loss"], row["grad_norm"] = 9.75, 412.0
        if step == 31:
            row["grad_norm"] = math.nan
        yield row


def rounded(row, keep=("step",)):
    return {key: value if key in keep else f32(value) for key, value in row.items()}


def new_folder(name):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def write_tensorboard():
    """TF2's tensor scalars and simple values, in two files: the second goes back to step 31."""
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util import tensor_util

    folder = new_folder("tensorboard")
    steps, evals = [], []

    def write(clock, rows, dtype, filename_suffix):
        writer = EventFileWriter(folder, filename_suffix=filename_suffix)

        def put(step, tag, value, kind):
            summary = summary_pb2.Summary()
            item = summary.value.add(tag=tag)
            item.metadata.plugin_data.plugin_name = "scalars"
            if kind is None:
                item.simple_value = value
            elif kind is str:
                item.tensor.CopyFrom(tensor_util.make_tensor_proto(value))
            else:
                item.tensor.CopyFrom(tensor_util.make_tensor_proto(value, dtype=kind))
            writer.add_event(event_pb2.Event(wall_time=clock + step, step=step, summary=summary))

        for row in rows:
            step = row["step"]
            put(step, "train/loss", row["loss"], dtype)
            put(step, "lr", row["lr"], np.float64)  # double_val
            put(step, "grad_norm", row["grad_norm"], None)
            put(step, "train/loss vs samples", 1.0, np.float32)
            kept = rounded(row, ("step", "lr"))
            steps.append(kept)
            if step % 20 == 0:
                put(step, "val/loss", row["loss"] + 0.5, dtype)
                evals.append({"step": step, "set": "", "loss": f32(row["loss"] + 0.5)})
            if step == 12:  # no scalars
                put(step, "weights", [1.0, 2.0], np.float32)
                put(step, "text", "hello", str)
        writer.close()

    write(START, curve(1, range(1, 41)), np.float32, ".a")
    write(START + 1000, curve(2, range(31, 61)), np.float32, ".b")
    rename_events(folder)
    truth("tensorboard", steps, evals)


def rename_events(folder):
    """Names without host and process, with the suffix kept."""
    for i, path in enumerate(sorted(glob.glob(os.path.join(folder, "*tfevents*")), key=os.path.getmtime)):
        suffix = os.path.splitext(path)[1]
        os.rename(path, os.path.join(folder, "events.out.tfevents.17000%05d.host%s" % (i * 1000, suffix)))


def write_torch():
    """torch.utils.tensorboard in one file, purged and continued in another from step 21 on."""
    from torch.utils.tensorboard import SummaryWriter

    folder = new_folder("torch")
    steps, evals = [], []
    for part, purge, rows in ((0, None, curve(3, range(1, 26))), (1, 21, curve(4, range(21, 41)))):
        writer = SummaryWriter(folder, purge_step=purge, filename_suffix=".%d" % part)
        for row in rows:
            clock = START + 1000 * part + row["step"]
            writer.add_scalar("Loss/train", row["loss"], row["step"], walltime=clock)
            writer.add_scalar("learning_rate", row["lr"], row["step"], walltime=clock)
            writer.add_scalar("grad_norm", row["grad_norm"], row["step"], walltime=clock)
            steps.append(rounded(row))
            if row["step"] % 10 == 0:
                writer.add_scalar("Loss/val", row["loss"] * 1.25, row["step"], walltime=clock)
                evals.append({"step": row["step"], "set": "", "loss": f32(row["loss"] * 1.25)})
        writer.close()
    rename_events(folder)
    truth("torch", steps, evals)


def write_wandb():
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DISABLE_CODE="true",
                      WANDB_DISABLE_GIT="true", WANDB_ERROR_REPORTING="false")
    import wandb

    steps, evals = [], []
    with tempfile.TemporaryDirectory() as scratch:
        settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", host="host")
        run = wandb.init(project="peers", name="tiny run", dir=scratch, settings=settings,
                         config={"lr": 3e-4, "model": {"layers": 2, "widths": [8, 16]}})
        for row in curve(5, range(1, 41)):
            run.log({"train/loss": row["loss"], "optim": {"lr": row["lr"]}, "grad_norm": row["grad_norm"],
                     "note": "text", "flag": True}, step=row["step"])
            steps.append(row)
            if row["step"] % 10 == 0:
                run.log({"val/loss": row["loss"] + 1, "val/perplexity": 2.5}, step=row["step"])
                evals.append({"step": row["step"], "set": "", "loss": row["loss"] + 1, "perplexity": 2.5})
        run.finish()
        wandb.teardown()  # its service writes the file
        source = glob.glob(os.path.join(scratch, "wandb", "offline-run-*", "run-*.wandb"))[0]
        folder = new_folder("wandb/offline-run-20260101_000000-tiny")
        shutil.copy(source, os.path.join(folder, "run-tiny.wandb"))
    truth("wandb", steps, evals, "tiny run")


def write_mlflow():
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    steps, evals = [], []
    with tempfile.TemporaryDirectory() as scratch:
        mlflow.set_tracking_uri("file://" + scratch)
        mlflow.set_experiment("peers")
        client = mlflow.MlflowClient()
        with mlflow.start_run(run_name="tiny run") as run:
            mlflow.log_params({"lr": 3e-4, "layers": 2})
            clock = 1700000000000
            # Restarted at step 31.
            for row in list(curve(6, range(1, 41))) + list(curve(7, range(31, 51))):
                clock += 1500
                for key, name in (("loss", "train/loss"), ("lr", "optim/lr"), ("grad_norm", "grad_norm")):
                    client.log_metric(run.info.run_id, name, row[key], timestamp=clock, step=row["step"])
                steps.append(row)
                if row["step"] % 10 == 0:
                    client.log_metric(run.info.run_id, "eval/loss", 7 / row["step"], timestamp=clock + 700,
                                      step=row["step"])
                    evals.append({"step": row["step"], "set": "", "loss": 7 / row["step"]})
        source = os.path.dirname(glob.glob(os.path.join(scratch, "*", "*", "metrics"))[0])
        folder = new_folder("mlflow")
        for name in ("metrics", "params"):
            shutil.copytree(os.path.join(source, name), os.path.join(folder, name))
        with open(os.path.join(source, "meta.yaml")) as f:
            lines = [line for line in f if not line.startswith("artifact_uri")]
        with open(os.path.join(folder, "meta.yaml"), "w") as f:
            f.writelines(line if not line.startswith("user_id") else "user_id: user\n" for line in lines)
    truth("mlflow", steps, evals, "tiny run")


def write_transformers():
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    class Watch(TrainerCallback):
        """What the trainer says to everybody who listens."""

        steps, evals = [], []

        def on_log(self, args, state, control, logs=None, **kwargs):
            if "loss" in logs:
                self.steps.append({"step": state.global_step, "loss": logs["loss"],
                                   "grad_norm": float(logs["grad_norm"]), "lr": logs["learning_rate"]})
            for name in ("web", "code"):
                if "eval_%s_loss" % name in logs:
                    self.evals.append({"step": state.global_step, "set": name,
                                       "loss": logs["eval_%s_loss" % name]})

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=16, intermediate_size=32,
                                         num_hidden_layers=1, num_attention_heads=2))
    tokens = torch.randint(0, 64, (64, 16))
    data = [{"input_ids": row, "labels": row} for row in tokens]
    watch = Watch()
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model, train_dataset=data, eval_dataset={"web": data[:4], "code": data[4:8]}, callbacks=[watch],
            args=TrainingArguments(output_dir=scratch, max_steps=40, per_device_train_batch_size=2,
                                   logging_steps=5, eval_strategy="steps", eval_steps=20, save_strategy="no",
                                   report_to=[], use_cpu=True, disable_tqdm=True, learning_rate=1e-2))
        trainer.train()
        trainer.save_state()
        shutil.copy(os.path.join(scratch, "trainer_state.json"), os.path.join(HERE, "trainer_state.log"))
    truth("trainer_state", watch.steps, watch.evals)


def write_pandas():
    """A history as pandas writes it: one object a line, rows in an array, columns by index."""
    import pandas

    rows = [{"_step": i, "_runtime": 0.5 * i, "_timestamp": START + i, "iter": row["step"],
             "train/loss": row["loss"], "lr": row["lr"],
             "grad_norm": None if math.isnan(row["grad_norm"]) else row["grad_norm"],
             "val/loss": row["loss"] + 1 if row["step"] % 10 == 0 else None}
            for i, row in enumerate(curve(8, range(1, 41)))]
    frame = pandas.DataFrame(rows)
    frame.to_json(os.path.join(HERE, "pandas.jsonl"), orient="records", lines=True, double_precision=15)
    frame.to_json(os.path.join(HERE, "pandas-records.json"), orient="records", double_precision=15)
    frame.to_json(os.path.join(HERE, "pandas-columns.json"), orient="columns", double_precision=15)
    back = pandas.read_json(os.path.join(HERE, "pandas.jsonl"), lines=True, precise_float=True)
    steps, evals = [], []
    for row in back.to_dict("records"):
        step = {"step": row["iter"], "loss": row["train/loss"], "lr": row["lr"]}
        if not math.isnan(row["grad_norm"]):
            step["grad_norm"] = row["grad_norm"]
        steps.append(step)
        if not math.isnan(row["val/loss"]):
            evals.append({"step": row["iter"], "set": "", "loss": row["val/loss"]})
    truth("pandas", steps, evals)


PARTS = {"tensorboard": write_tensorboard, "torch": write_torch, "wandb": write_wandb, "mlflow": write_mlflow,
         "transformers": write_transformers, "pandas": write_pandas}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
