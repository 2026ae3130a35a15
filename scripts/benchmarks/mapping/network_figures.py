"""Figures of the network stage, on the CPU and on a GPU, and the whole command by its stages."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import rasterio
import torch
from rasterio.windows import Window
from scipy.special import softmax

from scripts.benchmarks.mapping import network_stage as stage
from scripts.benchmarks.mapping.command_figures import seconds_by_turns
from scripts.benchmarks.mapping.commands import hsiattn_command, python
from scripts.benchmarks.mapping.scenes import HEIGHT, WIDTH, prepare_published
from scripts.benchmarks.mapping.settings import Settings, classify, map_path, pixels_of, recorded
from scripts.benchmarks.mapping.table import Result, Row, against, by_turns, spread, thousands


def patchwise(settings: Settings) -> Result:
    """The dense network stage against `forward` in batches of patches."""
    window = prepared(settings)
    network = window.model.network
    plain = stage.with_plain_gru(network)
    places = stage.some_places(window, settings.pixels)
    work = {"dense": partial(stage.network_stage, window, settings.threads)}
    for name, net in (("forward", network), ("forward, nn.GRU", plain)):
        work[name] = partial(stage.patchwise, net, window, places)
        work[f"{name}, a core each"] = partial(stage.patchwise_apart, net, window, places, settings.threads)
    speeds = stage.speeds_by_turns(
        settings.repeats, work, {name: window.pixels if name == "dense" else settings.pixels for name in work}
    )
    rows = [Row(f"{name}, px/s", thousands(np.median(values))) for name, values in speeds.items()]
    dense, patch = (sum(c.products for c in stage.cost_by_branch(network, whole).values()) for whole in (False, True))
    bound = stage.product_peak() / dense
    rows.append(Row("FLOP/px in products, dense and patchwise", f"{thousands(dense)} and {thousands(patch)}"))
    for name in list(work)[1:]:
        rows.append(against(f"dense : {name}", speeds["dense"] / speeds[name], 20.0))
        rows.append(Row(f"dense at the products' peak : {name}", f"{bound / np.median(speeds[name]):.1f}"))
    equality = stage.equality(window, network, min(window.pixels, 10 * settings.pixels))
    rows.append(
        Row(
            f"pixels of {equality['pixels']} with another class",
            f"{equality['differing']} (lead {equality['lead']:.1e}); logits off by at most {equality['logits']:.1e} "
            f"(they reach {equality['largest']:.1e}), probabilities by {equality['probabilities']:.1e}",
            "0", equality["differing"] == 0,
        )
    )  # fmt: skip
    return rows, {"pixels_per_second": speeds, "equality": equality}


def peak(settings: Settings) -> Result:
    """FLOP/s of the network stage against the best matrix products, measured by turns."""
    window = prepared(settings)
    costs = stage.cost_by_branch(window.model.network)
    products, others = sum(c.products for c in costs.values()), sum(c.others for c in costs.values())
    measured = by_turns(
        settings.repeats,
        {
            "product": stage.product_peak,
            "products side by side": lambda: stage.peak_of_threads(settings.threads),
            "dense": lambda: window.pixels / stage.seconds_of(lambda: stage.network_stage(window, settings.threads)),
        },
    )
    best = np.maximum(measured["product"], measured["products side by side"])
    speed = np.array(measured["dense"])
    together = stage.Cost(products, others)
    return [
        *(
            Row(f"{name}, FLOP/px", f"{thousands(cost.products)} in products, {thousands(cost.others)} others")
            for name, cost in {**costs, "together": together}.items()
        ),
        Row("best matrix product, GFLOP/s", f"{np.median(best) / 1e9:.0f}"),
        Row("network stage, px/s", thousands(np.median(speed))),
        against("share of the peak, products alone", speed * products / best, 0.5),
        Row("share of the peak, all operations", spread(speed * (products + others) / best)),
    ], {"measured": measured, "costs": costs}


def published(settings: Settings) -> Result:
    """`ssan-paper` against its own naive evaluation."""
    prepare_published(settings.files)
    side = max(8, round(settings.pixels**0.5) // 2)  # an eighth of the others' pixels: it is a hundred times slower
    window = prepared(settings, "ssan-paper", Window(32, 32, side, max(8, side // 2)))
    plain = stage.with_plain_gru(window.model.network)
    places = stage.places_of(window, np.arange(window.pixels))
    work = {
        "product": lambda: stage.network_stage(window, settings.threads),
        "product, bfloat16": lambda: stage.network_stage(window, settings.threads, precision="bf16-mixed"),
        "naive": lambda: stage.patchwise(plain, window, places),
        "naive, a core each": lambda: stage.patchwise_apart(plain, window, places, settings.threads),
    }
    naive = softmax(work["naive"]().numpy().T, axis=0)
    speeds = stage.speeds_by_turns(settings.repeats, work, dict.fromkeys(work, window.pixels))
    flops = stage.cost_of_recurrence(window.model.network)
    rows = [
        Row(f"{n}, px/s", f"{np.median(v):.1f} ({np.median(v) * flops / 1e9:.0f} GFLOP/s in the GRU's products)")
        for n, v in speeds.items()
    ]
    for name in ("naive", "naive, a core each"):
        rows.append(against(f"product : {name}", speeds["product"] / speeds[name], 3.0))
        rows.append(Row(f"product in bfloat16 : {name}", spread(speeds["product, bfloat16"] / speeds[name])))
    for name in ("product", "product, bfloat16"):
        shares = softmax(work[name]().numpy(), axis=0).reshape(naive.shape)
        other, largest = (shares.argmax(axis=0) != naive.argmax(axis=0)).sum(), np.abs(shares - naive).max()
        rows.append(Row(f"{name}, probabilities off by at most", f"{largest:.1e}; {other} other classes"))
    return rows, {"pixels_per_second": speeds}


def gpu(settings: Settings) -> Result:
    """Speed on a GPU, what of it is copying, how near the limits, and the same classes as on the CPU."""
    if not torch.cuda.is_available():
        return [Row("GPU", "no GPU")], {}
    device, network_peak = "cuda", stage.product_peak(device="cuda")
    on_cpu, on_gpu, shares = (map_path(settings, name) for name in ("cpu", "cuda", "shares"))
    recorded(classify(settings, None, "--device", "cpu", "--probabilities", shares, ending=on_cpu))
    on_device = classify(settings, None, "--device", device, ending=on_gpu)
    runs = [recorded(on_device) for _ in range(settings.repeats)]
    window = prepared(settings)
    products = sum(cost.products for cost in stage.cost_by_branch(window.model.network).values())
    bandwidth, times = stage.bytes_per_second_to(device), stage.on_device(window, device)
    with rasterio.open(on_cpu) as first, rasterio.open(on_gpu) as second, rasterio.open(shares) as all_shares:
        top = np.sort(all_shares.read(), axis=0)[-2:]
        differs = first.read(1) != second.read(1)
    clear = differs & (top[1] - top[0] >= 1e-3)
    pixels, speed = pixels_of(settings.files.scene), window.pixels / times["whole"]
    return [
        Row("whole command, px/s", thousands(pixels / np.median([run["command"] for run in runs]))),
        Row("mapping, px/s", thousands(pixels / np.median([run["seconds"] for run in runs]))),
        Row("network stage with its copies, px/s", thousands(speed)),
        Row("of which copying there", f"{100 * times['copying'] / times['whole']:.0f} %"),
        Row("copies, share of the bandwidth", f"{100 * times['bytes'] / times['copying'] / bandwidth:.0f} %"),
        Row("products, share of the float32 peak", f"{100 * speed * products / network_peak:.1f} %"),
        Row("pixels with another class", f"{differs.sum()}, {clear.sum()} of them no tie", "0", not clear.any()),
    ], {"runs": runs, "times": times, "bandwidth": bandwidth, "peak": network_peak}


def profile(settings: Settings) -> Result:
    """Start, stages and end of the whole command, then the branches and operations of the network stage."""
    starts = {
        "python": python("-c", "pass"),
        "command line": hsiattn_command("classify", "--help"),
        "torch": python("-c", "import torch"),
        "mapping": python("-c", "import hsiattn.cli.main, hsiattn.models.model_file, hsiattn.mapping, hsiattn.scenes"),
    }
    imports = seconds_by_turns(settings, starts)
    records = [recorded(classify(settings)) for _ in range(settings.repeats)]
    median = {n: float(np.median([r[n] for r in records])) for n in records[0] if isinstance(records[0][n], float)}
    lines = {f"start: {name}": float(np.median(values)) for name, values in imports.items()}
    lines |= {"whole command": median["command"], "CPU time of it": median["cpu"], "classify_scene": median["seconds"]}
    lines |= {f"of which {n.removeprefix('seconds_')}": v for n, v in median.items() if n.startswith("seconds_")}
    lines["before and after classify_scene"] = median["command"] - median["seconds"]
    window = prepared(settings)
    stage.network_stage(window)
    branches = stage.seconds_by_branch(window)
    rows = [Row(name, f"{seconds:.3f} s") for name, seconds in lines.items()]
    whole = branches["network stage"]
    rows += [Row(f"of a window: {n}", f"{s:.3f} s, {100 * s / whole:.0f} %") for n, s in branches.items()]
    print(stage.operations(window), file=sys.stderr)
    return rows, {"imports": imports, "records": records, "branches": branches}


def prepared(settings: Settings, recipe: str = "default", window: Window | None = None) -> stage.Prepared:
    """A window in the middle of the scene, ready for the network of a recipe."""
    torch.set_num_threads(settings.threads)
    top = (HEIGHT - settings.rows) // 2
    window = window or Window(0, max(0, top), WIDTH, min(settings.rows, HEIGHT))
    return stage.Prepared.of(settings.files.model(recipe), settings.files.scene, window)
