"""The grids: which runs a table of the papers needs. A cell is one run; its name says all that differs from the scale."""
import dataclasses


@dataclasses.dataclass
class Cell:
    name: str
    axes: dict  # where the result stands in the table
    flags: dict = dataclasses.field(default_factory=dict)  # of pretrain
    model: dict = dataclasses.field(default_factory=dict)  # keys of config.json
    shape: dict = dataclasses.field(default_factory=dict)  # differs from the scale
    steps: int = 0
    seed: int = 1
    data: str = "train"  # or "canaries": half of it texts planted 1 to 64 times


@dataclasses.dataclass
class Grid:
    title: str
    row: str
    column: str
    cells: list
    paper: str  # what the paper found, to read the table against
    measures: tuple = ("final_loss",)


def text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def cell(name, axes, seed, **more):
    words = [name] + [f"{key}={text(value)}" for key, value in axes.items()] + [f"seed={seed}"]
    clean = "_".join(words).replace(":", "-").replace(",", "-").replace("/", "-")
    return Cell(clean, axes, seed=seed, **more)


# The optimizer of the ZClip paper's runs; a larger beta2 makes spikes likelier.
ADAM_ZCLIP = "adamw:beta1=0.9,beta2=0.999,eps=1e-7,decay=0.01"
LRS = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
CLIPS = {"none": "none", "fixed 1.0": "fixed:1.0", "AutoClip": "autoclip", "ZClip": "zclip"}


def zclip_lr(scale):
    cells = [cell("clip", {"clip": name, "lr": lr}, seed, flags={"clip": spec, "lr": text(lr), "optimizer": ADAM_ZCLIP})
             for name, spec in CLIPS.items() for lr in LRS for seed in scale["seeds"]]
    return Grid("Clipping against the peak learning rate (ZClip, Tables 2 and 3)", "clip", "lr", cells,
                "At 1e-3: no clipping 12 spikes and test loss 2.90, fixed 6 and 2.33, AutoClip 0 and 2.20, ZClip 0 and 2.18. "
                "ZClip below fixed at every rate from 1e-4 to 5e-3; both lose at 5e-3.",
                ("final_loss", "held_out_loss", "spikes", "clip_rate"))


def one_axis(title, axis, values, spec, paper):
    def make(scale):
        cells = [cell(axis, {axis: value, "lr": lr}, seed,
                      flags={"clip": spec(value), "lr": text(lr), "optimizer": ADAM_ZCLIP})
                 for value in values for lr in (3e-3, 1e-2) for seed in scale["seeds"]]
        return Grid(title, axis, "lr", cells, paper, ("final_loss", "spikes", "clip_rate"))
    return make


zclip_mode = one_axis("ZClip's target (Table 5)", "mode", ["reciprocal", "mean", "max"], lambda v: f"zclip:mode={v}",
                      "Reciprocal best, then max and mean.")
zclip_z = one_axis("ZClip's threshold (Table 6)", "z", [1.5, 2.0, 2.5, 3.0, 4.0], lambda v: f"zclip:z={v}",
                   "2.180 to 2.182 for z up to 2.5, 2.194 to 2.202 above; a spike from 3.5 on.")
zclip_alpha = one_axis("ZClip's memory (Table 7)", "alpha", [0.90, 0.95, 0.97, 0.99], lambda v: f"zclip:alpha={v}",
                       "Best at 0.97 (2.180), 0.90 to 0.99 within 0.010; no spikes.")

METHODS = ["baseline", "soft_temp", "soft_clip", "sigma_reparam", "layerscale", "soft_cap", "qk_norm", "qk_fc_norm",
           "qkv_norm", "qk_norm_cap"]


def nvidia_cells(scale, methods):
    return [cell("method", {"method": method, "lr": lr}, seed,
                 flags={"clip": "fixed:1.0", "lr": text(lr), "layers-every": str(max(1, scale["steps"] // 6)),
                        **({} if method == "baseline" else {"stability": method})})
            for method in methods for lr in LRS for seed in scale["seeds"]]


def nvidia_lr(scale):
    return Grid("Nine methods against the learning rate (NVIDIA, Tables 3 and 4)", "method", "lr", nvidia_cells(scale, METHODS),
                "Highest rate that converged: baseline 6e-3; soft_temp, soft_clip 8e-3; sigma_reparam, LayerScale 20e-3; soft_cap, "
                "QK_norm, QK_FC_norm 40e-3; QKV_norm, QK_norm_cap 60e-3: 1.5 times QK_norm. Perplexity 11.19 baseline, 10.84 to "
                "10.87 with the norms.", ("final_loss", "perplexity"))


def nvidia_norms(scale):
    """Of the same runs."""
    return Grid("Norms of what the linear layers put out (NVIDIA, Tables 1 and 2)", "method", "lr",
                nvidia_cells(scale, ("baseline", "qk_norm")),
                "QKV, Proj and FC2 put out more than twice the norm of a converging run before the baseline diverges.", ("norms",))


def beta2(scale):
    at = scale["steps"] // 2
    cells = [cell("beta2", {"beta2": b, "clip": clip}, seed,
                  flags={"optimizer": f"adamw:beta2={b}", "clip": clip, "lr": "0.003", "inject": f"grad@{at}:x=100"})
             for b in (0.95, 0.999) for clip in ("none", "fixed:1.0", "zclip") for seed in scale["seeds"]]
    return Grid("One gradient 100 times too large, halfway (course text)", "beta2", "clip", cells,
                "The second moment forgets it after tens of steps with 0.95, hundreds with 0.999; a clipper takes the blow first.",
                ("final_loss", "spikes"))


def decay(scale):
    cells = [cell("decay", {"decay": d, "lr": lr}, seed,
                  flags={"optimizer": f"adamw:decay={d}", "clip": "fixed:1.0", "lr": text(lr)})
             for d in (0.0, 0.01, 0.1, 0.5, 2.0) for lr in (3e-3, 1e-2) for seed in scale["seeds"]]
    return Grid("Weight decay too low and too high (course text)", "decay", "lr", cells,
                "Too low: weights and logits drift; too high: the loss levels off high. 0.1 customary.",
                ("final_loss", "held_out_loss"))


def schedule(scale):
    """Cosine at the baseline's best rate of the other tables, the others at half of it."""
    cells = []
    for length in (0.5, 1.0, 2.0):
        steps = int(length * scale["steps"])
        window = f"window={max(1, steps // 5)},every=1"
        for name, spec, rate, averages in (("cosine", "cosine:warmup=5%,final=0.1", 3e-3, {}),
                                           ("WSD linear", "wsd:warmup=5%,shape=linear", 1.5e-3, {}),
                                           ("WSD 1-sqrt", "wsd:warmup=5%,shape=1-sqrt", 1.5e-3, {}),
                                           ("constant", "constant:warmup=5%", 1.5e-3, {}),
                                           ("constant, SWA", "constant:warmup=5%", 1.5e-3, {"swa": window})):
            cells += [cell("lengths", {"schedule": name, "steps": steps}, seed, steps=steps,
                           flags={"schedule": spec, "clip": "fixed:1.0", "lr": text(rate), **averages}) for seed in scale["seeds"]]
    return Grid("WSD and averaged weights against cosine at several lengths (Haegele et al.)", "schedule", "steps", cells,
                "WSD with a 20 % cooldown at half the cosine's rate meets cosine; 1-sqrt a little below linear; SWA between the "
                "constant rate and the cooldown.", ("final_loss", "held_out_loss"))


def ademamix(scale):
    # A mean over 10,000 steps is made for long runs; one over 100 is what a short one can use.
    specs = {"AdamW": "adamw", "AdEMAMix": "ademamix", "AdEMAMix, beta3 0.99": "ademamix:beta2=0.95,beta3=0.99"}
    cells = [cell("optimizer", {"optimizer": name, "clip": clip}, seed,
                  flags={"optimizer": spec, "clip": f"fixed:{clip}", "lr": "0.003"})
             for name, spec in specs.items() for clip in (0.1, 1.0) for seed in scale["seeds"]]
    return Grid("AdEMAMix against AdamW at clip 0.1 and 1.0 (Apertus)", "optimizer", "clip", cells,
                "AdEMAMix lower (2.002 against 2.033 after 100B tokens), and it wants the tighter clip.",
                ("final_loss", "held_out_loss"))


def goldfish(scale):
    specs = {"off": {}, "k=4": {"goldfish": "k=4,h=13"}, "k=50": {"goldfish": "k=50,h=50"}}
    cells = [cell("planted", {"goldfish": name, "lr": 3e-3}, seed, data="canaries", steps=2 * scale["steps"],
                  flags={"clip": "fixed:1.0", "lr": "0.003", **spec})
             for name, spec in specs.items() for seed in scale["seeds"]]
    return Grid("Goldfish loss: what is given back word for word (Hans et al., Apertus)", "goldfish", "lr", cells,
                "With k = 4 hardly any planted text comes back exactly, at a small cost of loss; k = 50 lets more through.",
                ("final_loss", "held_out_loss"))


def mup(scale):
    base = scale["hidden"] // 2
    # Under muP the deviation is that of the base width; the model itself makes it smaller in wider matrices.
    under_mup = {"ballast": {"version": 1, "mup_base_width": base}, "initializer_range": round(0.02 * (1024 / base) ** 0.5, 4)}
    cells = []
    for kind, model in (("standard", {}), ("muP", under_mup)):
        for width in (1, 2, 4):
            shape = {"hidden": base * width, "ffn": scale["ffn"] * width // 2}
            for lr in (1e-3, 4e-3, 1.6e-2, 6.4e-2):
                cells += [cell("mup", {"kind": f"{kind} d={shape['hidden']}", "lr": lr}, seed, shape=shape, model=model,
                               flags={"clip": "fixed:1.0", "lr": text(lr)}) for seed in scale["seeds"]]
    return Grid("Learning-rate transfer over widths (muP)", "kind", "lr", cells,
                "The best rate stays where it is under muP and falls with the width otherwise.")


TABLES = {"nvidia_lr": nvidia_lr, "nvidia_norms": nvidia_norms, "zclip_lr": zclip_lr, "schedule": schedule, "mup": mup,
          "decay": decay, "ademamix": ademamix, "beta2": beta2, "goldfish": goldfish, "zclip_mode": zclip_mode, "zclip_z": zclip_z,
          "zclip_alpha": zclip_alpha}
