"""The tables of a comparison, and its JSON."""

import os
import pathlib
import platform
import statistics

# More than these is worth a mark.
LATE_SHARE = 0.01  # Of the replies.
BUSY_SHARE = 0.8   # Of one core, for the lab, while probes came.
BUSY_PROBES = 10_000   # With fewer its start weighs too much.


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": model, "cores": os.cpu_count(),
            "memory_bytes": pages, "kernel": platform.release()}


def void(run):
    """Whether the lab lost something, which the scanner cannot help."""
    return run["heard"]["kernel_drops"] > 0 or run["heard"]["replies_lost"] > 0


def typical(runs):
    """The run of median rate, and what the others did, as notes.

    Void runs are left out, if there are others.
    """
    good = [run for run in runs if not void(run)] or runs
    rates = [run["heard"]["probes_per_second"] for run in good]
    run = good[rates.index(statistics.median_low(rates))]
    notes = []
    if len(good) > 1:
        notes.append(f"median of {len(good)}, {thousands(min(rates))} to "
                     f"{thousands(max(rates))} pps")
    if len(good) < len(runs):
        notes.append(f"{len(runs) - len(good)} runs void")
    return run, notes


def lab_trouble(heard):
    """What the lab could not keep up with; the first two void the run."""
    notes = []
    if heard["kernel_drops"]:
        notes.append(f"**the lab missed {thousands(heard['kernel_drops'])} "
                     "probes**")
    if heard["replies_lost"]:
        notes.append(f"**the lab lost {thousands(heard['replies_lost'])} "
                     "replies**")
    if heard["cpu_seconds"] > BUSY_SHARE * heard["seconds"] and \
            heard["probes"] > BUSY_PROBES:
        notes.append("the lab was busy all the time")
    if heard["replies_late"] > LATE_SHARE * heard["replies"]:
        share = heard["replies_late"] / heard["replies"]
        notes.append(f"{percent(share, 0)} of the replies late")
    return notes


def thousands(number):
    return f"{number:,.0f}"


def percent(share, digits=1):
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def times(part, whole):
    return f"{part / whole:.1f}" if whole else "-"


def asked(run):
    if not run["paced"]:
        return "its own"
    return thousands(run["asked_pps"]) if run["asked_pps"] else "all it can"


SENDING = ["scanner", "asked pps", "targets", "probes", "seconds", "wall s",
           "pps", "p99/mean", "max/mean", "idle ms", "CPU s", "MB", "notes"]
FINDING = ["scanner", "asked pps", "interfaces", "recall", "precision",
           "hosts", "links", "recall", "of one flow", "precision",
           "probes a link"]


def sending_row(run, notes):
    heard = run["heard"]
    load = heard["per_ms"]
    notes = notes + lab_trouble(heard)
    if run["stopped"]:
        notes.append("**stopped, its time was over**")
    elif run["exit_codes"] != [0]:
        notes.append(f"exit code {run['exit_codes'][-1]}")
    return [run["scanner"], asked(run), thousands(run["targets"]),
            thousands(heard["probes"]), f"{heard['seconds']:.2f}",
            f"{run['wall_seconds']:.1f}",
            thousands(heard["probes_per_second"]) + (" !" if void(run) else ""),
            times(load["p99"], load["mean"]), times(load["max"], load["mean"]),
            percent(load["idle_share"], 0), f"{run['cpu_seconds']:.2f}",
            f"{run['peak_bytes'] / 1e6:.0f}" if run["peak_bytes"] else "-",
            "; ".join(notes)]


def finding_row(run):
    interfaces, links = run["score"]["interfaces"], run["score"]["links"]
    hosts = run["score"]["truth"]["any_flow"]["hosts"]
    row = [run["scanner"], asked(run), thousands(interfaces["found"]),
           percent(interfaces["recall"]), percent(interfaces["precision"], 2),
           percent(interfaces["true_hosts"] / hosts if hosts else None)]
    if run["kind"] == "host":
        return row + ["-"] * 5
    return row + [thousands(links["asserted"]), percent(links["recall"]),
                  percent(links["of_one_flow"]),
                  percent(links["precision"], 2),
                  times(run["heard"]["probes"], links["true"])]


def absent_row(row, width):
    """A scanner that has no numbers, and why."""
    return [row["scanner"], row["asked"]] + [""] * (width - 3) + [row["why"]]


def table(head, rows, left=("scanner", "notes")):
    """Rows of text as Markdown; the columns named in `left` are words."""
    widths = [max(len(row[i]) for row in [head] + rows)
              for i in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths)]
             for row in [head] + rows]
    lines.insert(1, ["-" * (width - 1) + ":" if head[i] not in
                     left else "-" * width
                     for i, width in enumerate(widths)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def markdown(result):
    """All of it as text. A row is the runs of a scanner at one rate."""
    sending, finding = [], []
    for row in result["rows"]:
        if row["runs"]:
            run, notes = typical(row["runs"])
            notes += [row["why"]] if row["why"] else []
            sending.append(sending_row(run, notes))
            finding.append(finding_row(run))
        else:
            sending.append(absent_row(row, len(SENDING)))
    here, truth = result["machine"], result["truth"]
    about = [f"{s['name']} {s['version']}" for s in result["scanners"]
             if s["version"]]
    return "\n".join([
        f"Machine: {here['cpu']}, {here['cores']} cores, Linux "
        f"{here['kernel']}.",
        f"Lab: {result['scenario']}, {thousands(result['targets'])} targets, "
        f"TTLs to {result['ttl']}, seed {result['seed']}"
        + f", {' '.join(result['lab_options'])}".rstrip(", ") + ".",
        f"Scanners: {', '.join(about)}.",
        *([f"There is to find: {thousands(truth['any_flow']['links'])} links, "
           f"{thousands(truth['one_flow']['links'])} of them with one flow; "
           f"{thousands(truth['any_flow']['routers'])} routers; "
           f"{thousands(truth['any_flow']['hosts'])} hosts."] if truth else []),
        "", "How they sent:", "", table(SENDING, sending),
        "What they found:", "", table(FINDING, finding)])
