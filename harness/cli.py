"""The commands. Each parses its options, calls one function and prints; heavy imports stand inside the commands.

Exit codes: 0 done, 1 incomplete or failed trials, 2 wrong usage or missing data.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from harness import __version__
from harness.errors import MissingData, UsageError

app = typer.Typer(
    help="Sweep, benchmark and compare methods that learn fine-grained representations from coarse labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
out, err = Console(), Console(stderr=True)

Name = Annotated[str, typer.Argument(help="A sweep of experiments/, or the path of a .toml file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Put a setting over the sweep's own; repeatable.")
]
Seeds = Annotated[int | None, typer.Option(help="Seeds 0 … N−1 instead of the sweep's own number.", min=1)]
Workspace = Annotated[
    Path | None, typer.Option(help="Where trials and reports are kept. Default: $HARNESS_WORKSPACE or ./workspace.")
]
Epoch = Annotated[
    str | None, typer.Option(help="Which evaluation: final, last-evaluation or best. Default: the preset's.")
]
Also = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR", help="Count what is finished in another workspace, too, without changing it; repeatable."
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="MLflow's tracking URI; default: $MLFLOW_TRACKING_URI, or a SQLite file in the workspace.",
        callback=lambda uri: _without_password(uri),
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> NoReturn:
    """The entry point: what a user can mend is one message, never a traceback."""
    try:
        app()
    except (UsageError, MissingData) as error:
        err.print(f"[bold red]error:[/bold red] {_escaped(str(error))}", soft_wrap=True)
        sys.exit(2)
    except OSError as error:  # a folder that is a file, no permission, a full disk
        where = f": {error.filename}" if error.filename else ""
        err.print(f"[bold red]error:[/bold red] {_escaped(f'{error.strerror or error}{where}')}", soft_wrap=True)
        sys.exit(2)
    sys.exit(0)


@app.command()
def sweep(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    workers: Annotated[int | None, typer.Option(help="Trials at once.", min=1)] = None,
    trials_per_gpu: Annotated[float, typer.Option(help="Trials that share one GPU.")] = 1,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster; default: this machine.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="Holds the token of the cluster at --address.")] = None,
    mlflow: Mlflow = None,
    copy_to: Annotated[
        str | None, typer.Option(metavar="URL", help="Copy finished trials there, too: s3://bucket/prefix, a folder.")
    ] = None,
    max_hours: Annotated[float | None, typer.Option(help="Stop, resumable, after so long.")] = None,
    max_gpu_hours: Annotated[float | None, typer.Option(help="Stop, resumable, after so many hours of GPUs.")] = None,
    stall_minutes: Annotated[float, typer.Option(help="Stop a trial that is not heard of for so long.")] = 60,
    retry_failed: Annotated[bool, typer.Option(help="Train failed trials again, and only these.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and stop.")] = False,
) -> None:
    """Train what is missing of a sweep, and record it. The same command again goes on where it stopped."""
    from harness import search_display, terminal
    from harness import sweep as sweeps

    resources = sweeps.Resources(workers, trials_per_gpu, address, token_file)
    limits = sweeps.Limits(max_hours, max_gpu_hours, stall_minutes)
    folder, spec = _spec(name, set_, seeds, workspace)
    if spec.search:
        search_display.head(out, spec, folder)
    else:
        terminal.sweep_head(out, spec, folder, every_trial=dry_run)
    if dry_run:
        return
    again = _again(name, set_, seeds, workspace)
    try:
        outcome = sweeps.run(spec, folder, resources, limits, retry_failed=retry_failed, uri=mlflow, copy_to=copy_to)
    except KeyboardInterrupt:
        err.print(
            f"\nStopped. Everything so far is kept; the same command goes on: harness sweep {again}", markup=False
        )
        sys.exit(1)
    terminal.sweep_problems(err, outcome, again)
    if spec.search:
        sys.exit(search_display.outcome(out, spec, folder, again))
    sys.exit(terminal.sweep_outcome(out, outcome, again))


@app.command()
def plan(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    also: Also = None,
    json: Json = False,
) -> None:
    """The cells of a sweep, their trial ids, what is done, and the time that the rest should take."""
    from harness import plan as plans
    from harness import search_display, terminal

    folder, spec = _spec(name, set_, seeds, workspace)
    if spec.search:
        sys.exit(search_display.plan(out, spec, folder, json))
    planned = plans.plan(spec, folder, also or ())
    terminal.plan(out, spec, planned, plans.estimate(planned, folder), json)


@app.command()
def status(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    also: Also = None,
    json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the sweep as it goes, until it is complete.")] = False,
) -> None:
    """Cell by cell: done, running, failed or missing. Exit code 1 while anything is missing."""
    from harness import live, search_display, terminal
    from harness import plan as plans

    folder, spec = _spec(name, set_, seeds, workspace)
    if watch:
        try:
            sys.exit(0 if live.watch(out, spec, folder) else 1)
        except KeyboardInterrupt:
            sys.exit(1)
    if spec.search:
        sys.exit(search_display.status(out, spec, folder, json))
    planned = plans.plan(spec, folder, also or (), glance=True)
    sys.exit(terminal.status(out, spec, planned, json, plans.of_other_versions(planned, folder)))


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="digits, cifar100, cifartoy …")],
    method: Annotated[str, typer.Argument(help="maskcon, grafit, selfcon …")],
    set_: Set = None,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.", min=0)] = 0,
    preset: Annotated[str, typer.Option(help="paper or released-code.")] = "paper",
    workspace: Workspace = None,
) -> None:
    """One trial, without Ray or MLflow."""
    from harness import train_command

    sys.exit(train_command.run(out, err, dataset, method, set_ or [], seed, preset, _folder(workspace)))


@app.command()
def report(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    output: Annotated[Path | None, typer.Option(help="Default: reports/ in the workspace.")] = None,
    mlflow: Mlflow = None,
    epoch: Epoch = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing: check each number of the report that is there.")
    ] = False,
    also: Also = None,
) -> None:
    """Tables, figures and one page of everything that is finished."""
    from harness import report as reports
    from harness import terminal

    folder, spec = _spec(name, set_, seeds, workspace)
    asked = reports.Asked(output, epoch, mlflow, also or ())
    if verify:
        sys.exit(terminal.report_verified(out, reports.check(spec, folder, asked)))
    written = reports.write(spec, folder, asked)
    problem = reports.record(spec, folder, written.folder, mlflow)
    terminal.report_written(out, err, written, problem)


@app.command()
def compare(
    name: Annotated[str | None, typer.Argument(help="A sweep of experiments/, or the path of a .toml file.")] = None,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    epoch: Epoch = None,
    also: Also = None,
    output: Annotated[Path | None, typer.Option(help="A folder for LaTeX, Markdown, CSV and JSON.")] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Measure the error rates of the verdicts by simulation.")
    ] = False,
    json: Json = False,
) -> None:
    """Which published numbers were reproduced, and which claims hold. Exit code 0 only where nothing failed."""
    from harness import compare as comparisons
    from harness import compare_command, self_test_command

    if self_test:
        sys.exit(self_test_command.run(out, json))
    if name is None:
        raise UsageError("harness compare NAME: which sweep? Or --self-test.")
    folder, spec = _spec(name, set_, seeds, workspace)
    if spec.search:
        raise UsageError(
            f"harness compare {name}: a search holds training images out, and nothing published did; `harness report {name}` "
            "has what it found. Train that on all images, with seeds, in a sweep to be compared."
        )
    found = comparisons.compare(spec, folder, epoch, also or ())
    sys.exit(compare_command.run(out, found, json, output))


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="A dataset; list: all of them; coarsen: make coarse classes.")],
    of: Annotated[str | None, typer.Argument(help="With coarsen: the dataset.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    archive: Annotated[Path | None, typer.Option(help="Unpack the published archive that you fetched.")] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode photographs now; checks that all can be read.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out photographs that cannot be read.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the decoded photographs against their digest.")
    ] = False,
    root: Annotated[Path | None, typer.Option(help="With folder: where your images are.")] = None,
    groups: Annotated[int, typer.Option(help="With coarsen: how many coarse classes.")] = 10,
    trial: Annotated[
        str | None, typer.Option(help="With coarsen: whose features. Default: the dataset's attributes.")
    ] = None,
    output: Annotated[Path, typer.Option(help="With coarsen: the CSV to write.")] = Path("coarse.csv"),
    set_: Set = None,
    workspace: Workspace = None,
    json: Json = False,
) -> None:
    """The datasets: what they are, whether they are here and intact, how to get them; coarse classes from features."""
    from harness import data_command

    given = [*(set_ or []), *([f"root={root}"] if root else [])]
    if name == "list":
        sys.exit(data_command.overview(out, json))
    if name == "coarsen":
        if of is None:
            raise UsageError("harness data coarsen NAME: which dataset?")
        sys.exit(data_command.coarsen(out, of, groups, trial, output, _folder(workspace), given))
    asked = data_command.Asked(download, archive, decode, skip_unreadable, verify, given)
    sys.exit(data_command.one(out, err, name, asked))


@app.command()
def embed(
    trial: Annotated[str, typer.Argument(help="A trial id (or its beginning), or a trial directory.")],
    folder: Annotated[Path, typer.Argument(help="A folder of images.")],
    output: Annotated[Path | None, typer.Option(help="A .parquet or .npz file. Default: features.parquet.")] = None,
    workspace: Workspace = None,
) -> None:
    """Features of a folder of images by a trained encoder."""
    from harness import export as exports

    target = output or Path("features.parquet")
    count = exports.embed(_folder(workspace), trial, folder, target)
    out.print(f"{count} images embedded in {target}")


@app.command()
def export(
    trial: Annotated[str, typer.Argument(help="A trial id (or its beginning), or a trial directory.")],
    output: Annotated[Path | None, typer.Option(help="A folder. Default: exported-ID.")] = None,
    workspace: Workspace = None,
) -> None:
    """A trained encoder as safetensors, with a model card."""
    from harness import export as exports

    out.print(f"encoder and model card written to {exports.export(_folder(workspace), trial, output)}")


@app.command()
def clean(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """What a workspace holds; removes what no finished trial needs, after showing it."""
    from harness import terminal

    folder, spec = _spec(name, set_, seeds, workspace)
    terminal.clean(out, spec, folder, yes)


@app.command()
def sync(
    name: Name,
    set_: Set = None,
    seeds: Seeds = None,
    workspace: Workspace = None,
    mlflow: Mlflow = None,
) -> None:
    """Record a sweep's finished trials in MLflow, with their original times."""
    from harness import terminal

    folder, spec = _spec(name, set_, seeds, workspace)
    sys.exit(terminal.sync(out, err, spec, folder, mlflow))


@app.command()
def collect(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Trial directories, or folders that hold some, as a workspace."),
    ],
    workspace: Workspace = None,
    mlflow: Mlflow = None,
) -> None:
    """Take in finished trials that ran elsewhere: check, copy and record them. Exit code 1 where one was left alone."""
    from harness import collect_command

    sys.exit(collect_command.run(out, err, sources, _folder(workspace), mlflow))


@app.command()
def bench(
    dataset: Annotated[str, typer.Argument(help="Whose trials are measured.")] = "cifar100",
    method: Annotated[str, typer.Argument(help="By which method.")] = "maskcon",
    set_: Set = None,
    against: Annotated[str | None, typer.Option(help="torchvision-loader: the plain pipeline, side by side.")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="products, step, precision, epoch, scaling, recall, sweep, decoding, report; repeatable. Default: all."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Of every measurement.", min=1)] = 5,
    recall_images: Annotated[int | None, typer.Option(help="Features that recall is measured on.", min=2)] = None,
    report_trainings: Annotated[
        int | None, typer.Option(help="Of the sweep that is reported on: 100 kB of disk each. Default: 10000.", min=1)
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A JSON file, beside the one in the workspace.")] = None,
    workspace: Workspace = None,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing: the tables of what was measured.")] = False,
    file: Annotated[list[Path] | None, typer.Option(help="With --show: these files.")] = None,
    json: Json = False,
) -> None:
    """Measure this machine: step, epoch, recall, sweep; later trials and plans go by it."""
    from harness import bench_command

    folder = _folder(workspace)
    if show:
        bench_command.show(out, err, file or [], folder, json)
        return
    if file:
        raise UsageError("--file names results to show; add --show. A result is written with --output.")
    asked = bench_command.Asked(
        dataset, method, set_ or [], against, part, repeats, recall_images, report_trainings, output
    )
    bench_command.run(out, err, asked, folder, json)


@app.command()
def doctor(workspace: Workspace = None, json: Json = False) -> None:
    """What this machine has (GPUs, libraries, disk, data) and what is missing."""
    from harness import doctor as doctors

    sys.exit(doctors.run(out, _folder(workspace), json))


@app.command()
def ui(
    workspace: Workspace = None,
    port: Annotated[int, typer.Option(help="Of MLflow's page; the reports are at the next one.")] = 5000,
    mlflow: Mlflow = None,
) -> None:
    """MLflow's page and the reports in a browser, on this machine alone, until Ctrl-C."""
    from harness import ui_command

    sys.exit(ui_command.run(out, _folder(workspace), port, mlflow))


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Options of all commands."""
    if show:
        out.print(__version__)
        raise typer.Exit


def _folder(given: Path | None) -> Path:
    from harness import workspace

    return workspace.locate(given)


def _spec(name: str, overrides: list[str] | None, seeds: int | None, workspace: Path | None):  # type: ignore[no-untyped-def]
    from harness import plan as plans

    folder = _folder(workspace)
    return folder, plans.load_spec(name, overrides or [], seeds, folder)


def _without_password(uri: str | None) -> str | None:
    """A command line is read by everybody on the machine, and kept by shells, schedulers and logs."""
    if uri:
        from harness import tracking

        if tracking.holds_password(uri):
            raise UsageError(
                "--mlflow holds a password: leave it to ~/.mlflow/credentials, MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or put the whole address into MLFLOW_TRACKING_URI."
            )
    return uri


def _again(name: str, overrides: list[str] | None, seeds: int | None, workspace: Path | None) -> str:
    """The options with which the other commands mean the same sweep."""
    words = [name]
    for text in overrides or []:
        words += ["--set", text]
    words += ["--seeds", str(seeds)] if seeds else []
    words += ["--workspace", str(workspace)] if workspace else []
    return shlex.join(words)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
