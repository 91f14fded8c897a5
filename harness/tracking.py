"""MLflow: the record that people browse. Written by the driver alone, from trial directories; it can be rebuilt from them.

One experiment per sweep name, one parent run per sweep (a reduced sweep has its own), one child run per trial. Timestamps are
those of the trial, so that recording a trial again, after an interruption say, adds nothing twice.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import background, datasets, files, lease, provenance, trials
from harness import workspace as workspaces
from harness.background import Background
from harness.workspace import Named

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What databases take a password for: all from the first colon to the last @. A path of SQLite's may hold both.
_PASSWORD = re.compile(r"(?<!sqlite)://[^\s@/]*:\S*@")
REFUSED_IN_A_ROW = 3  # trials, after which MLflow is taken to be away
TRIAL_TAG, SWEEP_TAG, WHOLE_TAG = "harness.trial_id", "harness.sweep", "harness.recorded"


def default_uri(workspace: Path) -> str:
    """$MLFLOW_TRACKING_URI, or a SQLite file in the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace / 'mlflow.db'}"


def public(uri: str) -> str:
    """A tracking URI, or a message that holds one, without user name, password and query."""
    text = _PASSWORD.sub("://", uri)
    text = re.sub(r"://[^/\s]*@", "://", text)
    return re.sub(r"(://[^\s?]*)\?\S*", r"\1", text)


def holds_password(uri: str) -> bool:
    """Whether a tracking URI has a secret in it, before the host or in the query."""
    return bool(_PASSWORD.search(uri) or re.search(r"[?&][^=&]*(pass|pwd|token|secret|key)[^=&]*=", uri, re.IGNORECASE))


def problem(uri: str, error: Exception) -> str:
    """Why a store could not be written, in a line and without its password: MLflow's own messages hold the whole URI."""
    line = (str(error).splitlines() or [""])[0]
    if "Max retries exceeded" in line:
        return public(f"{uri}: nothing answers there ({type(error).__name__})")
    return public(f"{uri}: {type(error).__name__}: {line}")


def unrecorded(workspace: Path, spec: Named, uri: str, ids: list[str]) -> list[str]:
    """The finished trials that this MLflow has not been given yet, by the sweep's own notes: MLflow is not asked."""
    known = set(_notes(workspace, spec, uri).get("trials", []))
    return [trial for trial in ids if trial not in known]


def _is_closed(workspace: Path, spec: Named, uri: str, complete: bool) -> bool:
    """Whether the sweep's own run says already that it is complete, or not; by the sweep's own notes."""
    noted = _notes(workspace, spec, uri)
    return "parent" not in noted or noted.get("complete") is complete


def has_run(workspace: Path, spec: Named, uri: str) -> bool:
    """Whether this MLflow has a run of the sweep, by the sweep's own notes."""
    return "parent" in _notes(workspace, spec, uri)


@dataclass(frozen=True)
class Runs:
    """The runs of a sweep's trials in one MLflow, by the sweep's own notes."""

    ids: Mapping[str, str]  # by trial id; without those that were recorded before runs were noted
    experiment: str | None
    uri: str  # without user and password

    def address(self, trial_id: str) -> str | None:
        """Where a browser shows the trial's run; None where the store is no server, or the run is not known."""
        if not _is_server(self.uri) or self.experiment is None or trial_id not in self.ids:
            return None
        server = self.uri.partition("?")[0].partition("#")[0].rstrip("/")  # a query could hold a token
        return f"{server}/#/experiments/{self.experiment}/runs/{self.ids[trial_id]}"


def runs(workspace: Path, spec: Named, uri: str) -> Runs:
    """The trials' runs in this MLflow, which is not asked."""
    noted = _notes(workspace, spec, uri)
    return Runs(noted.get("runs", {}), noted.get("experiment"), public(uri))


def _notes(workspace: Path, spec: Named, uri: str) -> dict[str, Any]:
    """What the sweep noted about one MLflow: the trials it was given, their runs in it, and the sweep's."""
    path = workspaces.sweep_folder(workspace, spec) / "recorded.json"
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return {}  # the database was removed: everything is to be recorded again
    try:
        return trials.read_json(path).get(public(uri), {}) if path.is_file() else {}
    except trials.DamagedFile:
        return {}


class Recorder:
    """Writes the trials of one sweep, or of none, into one MLflow."""

    def __init__(self, workspace: Path, spec: Named, uri: str):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # its own default waits minutes for a dead server
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # a line with the address per run
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        workspace.mkdir(parents=True, exist_ok=True)
        if uri.startswith("sqlite:///"):
            _make_database(Path(uri.removeprefix("sqlite:///")))
        self.workspace, self.spec, self.uri = workspace, spec, uri
        self.client: MlflowClient = MlflowClient(tracking_uri=uri)
        self.recording = workspaces.sweep_folder(workspace, spec) / ".recording"
        self.recording.mkdir(parents=True, exist_ok=True)
        with lease.held(self.recording):
            self.experiment = self._experiment()
            self.parent = self._parent()

    def record(self, directory: Path) -> None:
        """One finished trial: parameters, metrics per epoch, the data as an input, tags.

        Raises lease.Held where another process is recording trials of this sweep: two could each make a run of one trial.
        """
        with lease.held(self.recording) as still_ours:
            self._record(directory, still_ours)

    def _record(self, directory: Path, still_ours: Callable[[], None]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        result, trial = trials.read_json(directory / trials.RESULT), trials.read_config(directory)
        start = int(result["metrics"][0]["time"] * 1000)
        run = self._find(TRIAL_TAG, trial.trial_id)
        if run is None:
            tags = {
                TRIAL_TAG: trial.trial_id,
                "mlflow.parentRunId": self.parent,
                "mlflow.runName": f"{trial.method} seed {trial.seed} {trial.trial_id[:6]}",
            }
            still_ours()
            run = self.client.create_run(self.experiment, start_time=start, tags=tags)
        elif run.data.tags.get(WHOLE_TAG) == "yes":
            return self._note_trial(trial.trial_id, run.info.run_id)
        settings = trial.to_dict()
        settings |= settings.pop("options")
        params = [Param(name, str(value)) for name, value in settings.items()]
        params.append(Param("trial_id", trial.trial_id))
        metrics = [
            Metric(name, value, int(line["time"] * 1000), line["epoch"])
            for line in result["metrics"]
            for name, value in line.items()
            if name not in ("epoch", "time")
        ]
        for first in range(0, max(len(metrics), 1), 500):
            self.client.log_batch(run.info.run_id, metrics[first : first + 500], params if first == 0 else ())
        self.client.log_inputs(run.info.run_id, datasets=[_data_input(trial)])
        about = [RunTag(f"environment.{name}", str(value)) for name, value in _environment(directory).items()]
        about += [RunTag(f"harness.{name}", str(result[name])) for name in ("attempts", "deaths") if name in result]
        self.client.log_batch(run.info.run_id, tags=[*about, RunTag(WHOLE_TAG, "yes")])
        self.client.set_terminated(run.info.run_id, "FINISHED", end_time=int(result["finished"] * 1000))
        still_ours()
        return self._note_trial(trial.trial_id, run.info.run_id)

    def record_report(self, folder: Path) -> None:
        """The report's files as artifacts of the sweep's parent run."""
        self.client.log_artifacts(self.parent, str(folder), "report")

    def close(self, complete: bool) -> None:
        """Mark the sweep's own run as finished, or as one that goes on later."""
        self.client.set_terminated(self.parent, "FINISHED" if complete else "KILLED")
        self._note(complete=complete)

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.spec.name)
        if found:
            return found.experiment_id
        local = self.uri.startswith("sqlite:///")
        artifacts = (self.workspace / "mlruns").as_uri() if local else None
        return self.client.create_experiment(self.spec.name, artifact_location=artifacts)

    def _parent(self) -> str:
        found = self._find(SWEEP_TAG, self.spec.slug)
        if found:
            return found.info.run_id
        tags = {SWEEP_TAG: self.spec.slug, "mlflow.runName": f"sweep {self.spec.slug}"}
        tags |= {f"git.{name}": str(value) for name, value in provenance.git().items()}
        run = self.client.create_run(self.experiment, tags=tags)
        self.client.log_dict(run.info.run_id, self.spec.to_dict(), "spec.json")
        return run.info.run_id

    def _find(self, tag: str, value: str) -> Any:
        runs = self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'", max_results=1)
        return runs[0] if runs else None

    def _note_trial(self, trial_id: str, run_id: str) -> None:
        known = _notes(self.workspace, self.spec, self.uri)
        self._note(
            trials=sorted({*known.get("trials", []), trial_id}),
            runs={**known.get("runs", {}), trial_id: run_id},
            experiment=self.experiment,
            parent=self.parent,
            complete=None,
        )

    def _note(self, **changes: Any) -> None:
        path = workspaces.sweep_folder(self.workspace, self.spec) / "recorded.json"
        try:
            notes = trials.read_json(path) if path.is_file() else {}
        except trials.DamagedFile:
            notes = {}
        notes[public(self.uri)] = _notes(self.workspace, self.spec, self.uri) | changes
        files.write_json(path, notes)


class Mirror:
    """Hands finished trials to MLflow in the background: training never waits for it.

    What a server that is away has not taken at the end stands in the trial directories, and `harness sync` records it.
    """

    def __init__(self, workspace: Path, spec: Named, uri: str):
        self.workspace, self.spec, self.uri = workspace, spec, uri
        self.seen: set[str] = set()
        self.recorder: Recorder | None = None
        self.complete: bool | None = None
        patience = math.inf if uri.startswith("sqlite:///") else background.PATIENCE_SECONDS
        self.background = Background(self._record, lambda error: problem(uri, error), self._last, patience)

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close(None)

    @property
    def problem(self) -> str | None:
        """Why not everything is recorded."""
        return self.background.problem

    def add(self, ids: Sequence[str]) -> None:
        """Record these finished trials, each once; those that the sweep has noted as recorded are passed over."""
        new = unrecorded(self.workspace, self.spec, self.uri, [trial for trial in ids if trial not in self.seen])
        self.seen.update(new)
        self.background.add(new)

    def close(self, complete: bool | None) -> None:
        """Wait for what is still to be recorded; then say whether the sweep is complete."""
        if not self.background.ending:
            self.complete = complete
            if complete is not None and not _is_closed(self.workspace, self.spec, self.uri, complete):
                self.background.begin()
            self.background.end()

    def _record(self, trial_id: str) -> None:
        self._opened().record(trials.directory(self.workspace, trial_id))

    def _last(self) -> None:
        if self.complete is not None:
            self._opened().close(self.complete)

    def _opened(self) -> Recorder:
        self.recorder = self.recorder or Recorder(self.workspace, self.spec, self.uri)
        return self.recorder


def record_all(workspace: Path, spec: Named, uri: str, ids: Sequence[str], complete: bool) -> str | None:
    """Record these trials now, waiting for MLflow. Returns why it could not be done of all, if it could not."""
    if not ids:
        return None
    problems: list[str] = []
    in_a_row = 0
    try:
        recorder = Recorder(workspace, spec, uri)
        for trial_id in ids:
            try:
                recorder.record(trials.directory(workspace, trial_id))
                in_a_row = 0
            except Exception as error:  # whatever MLflow raises; one trial that it refuses holds no other up
                problems.append(problem(f"trial {trial_id}, {uri}", error))
                in_a_row += 1
                if in_a_row == REFUSED_IN_A_ROW:
                    break
        recorder.close(complete and not problems)
    except Exception as error:  # as above
        problems.append(problem(uri, error))
    return problems[0] if problems else None


def _make_database(path: Path) -> None:
    """Where there is none: MLflow cannot use one whose tables are half made, and making them takes seconds."""
    from mlflow import MlflowClient

    if path.exists():
        return
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        MlflowClient(tracking_uri=f"sqlite:///{scratch}").search_experiments()
        with contextlib.suppress(FileExistsError):  # another process was faster
            os.link(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    for left in path.parent.glob(
        f".{path.name}.*.new*"
    ):  # of processes that were killed meanwhile, with SQLite's journal
        if time.time() - left.stat().st_mtime > lease.STALE_SECONDS:
            left.unlink(missing_ok=True)


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _data_input(trial: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    module = datasets.load(trial.dataset)
    digest = trial.data_digest or module.digest
    kind = "local files" if trial.data_digest else "published files"
    data = Dataset(trial.dataset, digest, kind, module.source)
    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])


def _environment(directory: Path) -> dict[str, Any]:
    path = directory / trials.ENVIRONMENT
    return trials.read_json(path) if path.is_file() else {}
