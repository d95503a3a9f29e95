"""Tables in Markdown and plots in SVG from the results that are there."""
import os
import statistics
import subprocess

NAMES = {"final_loss": "training loss, mean of the last 5 %", "held_out_loss": "held-out loss",
         "perplexity": "held-out perplexity (95 % interval)", "spikes": "incidents", "clip_rate": "steps clipped, %"}


def results_of(lab, grid):
    found = {}
    for cell in grid.cells:
        result = lab.result(cell)
        if result is not None:
            found.setdefault((cell.axes[grid.row], cell.axes[grid.column]), []).append(result)
    return found


def entry(results, measure):
    """One field: the mean over seeds; 'div' when most seeds diverged."""
    if not results:
        return "-"
    if 2 * sum(r["diverged"] for r in results) > len(results) and measure not in ("spikes", "clip_rate"):
        return "div"
    values = [r[measure] for r in results if r[measure] is not None]
    if not values:
        return "-"
    mean = sum(values) / len(values)
    if measure == "spikes":
        return f"{mean:g}"
    if measure == "clip_rate":
        return f"{100 * mean:.1f}"
    if measure == "perplexity" and len(values) == 1 and results[0].get("perplexity_low"):
        return f"{mean:.2f} ({results[0]['perplexity_low']:.2f}-{results[0]['perplexity_high']:.2f})"
    spread = f" +-{statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean:.3f}{spread}"


def axis(grid, name):
    return list(dict.fromkeys(cell.axes[name] for cell in grid.cells))


def label(value):
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def table(grid, found, measure):
    rows, columns = axis(grid, grid.row), axis(grid, grid.column)
    lines = [f"{NAMES[measure]}:", "", f"| {grid.row} \\ {grid.column} | " + " | ".join(map(label, columns)) + " |",
             "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        lines.append(f"| {label(row)} | " + " | ".join(entry(found.get((row, c), []), measure) for c in columns) + " |")
    return lines + [""]


def mean_loss(results):
    """None when it diverged or there is no result."""
    if not results or 2 * sum(r["diverged"] for r in results) > len(results):
        return None
    return statistics.mean(r["final_loss"] for r in results if r["final_loss"] is not None)


def rate_sensitivity(losses, initial):
    """Wortsman et al. (arXiv 2309.14322): mean over the rates of min(loss, initial loss) less the best; None diverged."""
    best = min(loss for loss in losses if loss is not None)
    return statistics.mean(min(initial, loss if loss is not None else initial) - best for loss in losses)


def learning_rate_facts(grid, found):
    """Highest rate whose loss is within 0.5 nats of the row's best, its ratio to qk_norm's, and Wortsman's sensitivity."""
    rows, rates = axis(grid, grid.row), axis(grid, "lr")
    facts = {}
    for row in rows:
        runs = [found.get((row, lr), []) for lr in rates]
        if not all(runs):
            continue
        losses = [mean_loss(r) for r in runs]
        # Sensitivity as Wortsman et al. (2309.14322) have it: the mean excess over the best, a diverged run counted at its first loss.
        initial = statistics.mean(r["first_loss"] for rs in runs for r in rs)
        if not any(losses):
            continue
        best = min(loss for loss in losses if loss is not None)
        good = [lr for lr, loss in zip(rates, losses) if loss is not None and loss < best + 0.5]
        facts[row] = (max(good), best, rate_sensitivity(losses, initial))
    if not facts:
        return []
    reference = facts.get("qk_norm", (None,))[0]
    compared = "over qk_norm | " if reference else ""
    lines = [f"| {grid.row} | highest rate within 0.5 nats of the best | {compared}best loss | sensitivity to the rate, nats |",
             "|---" * (5 if reference else 4) + "|"]
    for row, (highest, best, sensitivity) in facts.items():
        ratio = f"{highest / reference:.3g} | " if reference else ""
        lines.append(f"| {label(row)} | {highest:g} | {ratio}{best:.3f} | {sensitivity:.3f} |")
    return lines + [""]


def tokens_to_equal_loss(grid, found):
    """How many tokens each clipper needs for the loss that fixed clipping at its best rate ends with (ZClip, Figure 4)."""
    if grid.row != "clip" or grid.column != "lr":
        return []
    fixed = {lr: mean_loss(found.get(("fixed 1.0", lr), [])) for lr in axis(grid, "lr")}
    fixed = {lr: loss for lr, loss in fixed.items() if loss is not None}
    if not fixed:
        return []
    best_lr = min(fixed, key=fixed.get)
    lines = [f"tokens until the running mean of the loss (5 points of the curve) reaches {fixed[best_lr]:.3f}, where fixed clipping at "
             f"its best rate {best_lr:g} ends:", "", "| clip | best over the rates | at rate |", "|---|---|---|"]
    for row in axis(grid, "clip"):
        reached = []
        for lr in axis(grid, "lr"):
            for result in found.get((row, lr), []):
                window = []
                for tokens, loss in result["curve"]:
                    window = (window + [loss])[-5:]
                    if len(window) == 5 and None not in window and sum(window) / 5 <= fixed[best_lr]:
                        reached.append((tokens, lr))
                        break
        lines.append(f"| {row} | " + (f"{min(reached)[0]:,} | {min(reached)[1]:g} |" if reached else "never | - |"))
    return lines + [""]


def norm_growth(grid, found):
    """What the linear layers put out at the last layers record, over that of the method's best run (NVIDIA, Tables 1-2)."""
    if "norms" not in grid.measures:
        return []
    lines = []
    for row in axis(grid, grid.row):
        runs = {c: rs[0] for (r, c), rs in found.items() if r == row and layer_norms(rs[0])}
        good = {c: r["final_loss"] for c, r in runs.items() if not r["diverged"]}
        if not good:
            continue
        best = layer_norms(runs[min(good, key=good.get)])
        for column in sorted(runs):
            norms = layer_norms(runs[column])
            loss = "div" if runs[column]["diverged"] else f"{runs[column]['final_loss']:.3f}"
            lines.append(f"| {label(row)} | {label(column)} | {loss} | " +
                         " | ".join(f"{norms[p] / best[p]:.2f}" if best.get(p) and p in norms else "-" for p in PARTS) + " |")
    if not lines:
        return []
    return ["L2 norm of what each linear layer puts out and largest attention logit, median over the layers at the last record, "
            "over those of the method's best run (first seed):", "",
            f"| {grid.row} | {grid.column} | loss | " + " | ".join(PARTS) + " |", "|---" * (len(PARTS) + 3) + "|", *lines, ""]


def recall(grid, found):
    """How much of texts planted so and so often comes back after training."""
    lines = []
    for row in axis(grid, grid.row):
        records = [r for (name, _), results in found.items() if name == row for result in results
                   for r in result.get("recall") or []]
        for repeats in sorted({r["repeats"] for r in records}):
            some = [r for r in records if r["repeats"] == repeats]
            exact = statistics.mean(r["exact"] for r in some)
            run = statistics.mean(r["longest_run"] for r in some)
            lines.append(f"| {label(row)} | {repeats} | {100 * exact:.0f} | {run:.1f} of {some[0]['continuation_tokens']} |")
    if not lines:
        return []
    return [f"| {grid.row} | times planted | given back exactly, % | longest run of tokens |", "|---|---|---|---|", *lines, ""]


PARTS = ("qkv", "proj", "fc1", "fc2", "logit")
KEYS = {"qkv": "qkv_output", "proj": "proj_output", "fc1": "fc1_output", "fc2": "fc2_output", "logit": "attn_logit_max"}


def layer_norms(result):
    """Medians over the layers; nothing when the trace had no layers record."""
    record = result.get("layers") or {}
    found = {}
    for part, key in KEYS.items():
        values = [v for v in record.get(key) or [] if isinstance(v, (int, float))]
        if values:
            found[part] = statistics.median(values)
    return found


def plot(lab, name, grid, found):
    columns = axis(grid, grid.column)
    if not all(isinstance(c, (int, float)) for c in columns) or len(columns) < 2:
        return None
    blocks, titles = [], []
    for row in axis(grid, grid.row):
        points = []
        for column in columns:
            results = found.get((row, column), [])
            loss = mean_loss(results)
            if results:
                points.append(f"{column:g} {loss if loss is not None else statistics.mean(r['first_loss'] for r in results)}")
        if points:
            blocks.append("\n".join(points))
            titles.append(label(row))
    if not blocks:
        return None
    path = os.path.join(lab.out, f"{name}.svg")
    series = ", ".join(f"$d index {i} with linespoints lw 2 dt {1 + i // 8} title \"{t}\"" for i, t in enumerate(titles))
    script = (f"$d << EOD\n" + "\n\n\n".join(blocks) + "\nEOD\n"
              f"set terminal svg size 800,480 dynamic background rgb 'white' font 'sans,13' noenhanced\nset output '{path}'\n"
              f"set logscale x\nset xlabel '{grid.column}'\nset ylabel 'final training loss (initial where diverged)'\n"
              f"set key outside right\nset grid\nplot {series}\n")
    try:
        done = subprocess.run(["gnuplot"], input=script, text=True, stderr=subprocess.PIPE)
    except FileNotFoundError:
        return None
    return os.path.basename(path) if done.returncode == 0 else None


def write(lab, grids):
    s = lab.scale
    lines = [f"Scale {lab.scale_name}: {s['layers']} layers of {s['hidden']}, {s['heads']} heads, MLP {s['ffn']}, vocabulary {s['vocab']}, "
             f"T = {s['seq']}, {s['batch']} tokens a step, {s['steps']} steps, seeds {s['seeds']}. Diverged (div): final loss not finite, "
             "not 0.1 nats below the first step's or 0.5 above the lowest mean before, more than 1 % of the steps "
             "non-finite, or an incident of type 3.", ""]
    for name, grid in grids.items():
        found = results_of(lab, grid)
        have = sum(map(len, found.values()))
        if not have:
            continue
        lines += [f"### {grid.title}", "", f"{have} of {len(grid.cells)} runs.", ""]
        for measure in grid.measures:
            if measure not in NAMES:
                continue
            lines += table(grid, found, measure)
        only_norms = grid.measures == ("norms",)
        if grid.column == "lr" and len(axis(grid, "lr")) > 2 and not only_norms:
            lines += learning_rate_facts(grid, found)
        lines += tokens_to_equal_loss(grid, found) + norm_growth(grid, found) + recall(grid, found)
        picture = None if only_norms else plot(lab, name, grid, found)
        if picture:
            lines += [f"![{grid.title}]({picture})", ""]
        lines += [f"The paper: {grid.paper}", ""]
    os.makedirs(lab.out, exist_ok=True)
    with open(os.path.join(lab.out, "tables.md"), "w") as out:
        out.write("\n".join(lines))
    print(os.path.join(lab.out, "tables.md"))
