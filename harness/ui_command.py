"""`harness ui`: MLflow's page and the workspace's reports in a browser, on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import html
import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from harness import tracking
from harness.errors import UsageError

HOST = "127.0.0.1"


def run(out: Console, workspace: Path, port: int, uri: str | None) -> int:
    """Serve both until Ctrl-C, or until MLflow ends by itself."""
    target = uri or tracking.default_uri(workspace)
    reports = workspace / "reports"
    with _reports(reports, port + 1) as address, _mlflow(workspace, target, port) as (shown, wait):
        out.print(f"MLflow:  {tracking.public(shown)}", soft_wrap=True)
        none = "" if _pages(reports) else "  (none yet: `harness report NAME`)"
        out.print(f"Reports: {address}{none}", soft_wrap=True)
        out.print("Ctrl-C ends both.")
        with contextlib.suppress(KeyboardInterrupt):
            wait()
    return 0


@contextlib.contextmanager
def _mlflow(workspace: Path, uri: str, port: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Its page, of the server that the runs are in or of one started here for a database; and what waits for its end.

    That raises UsageError where the server ends by itself because it cannot do its work.
    """
    if uri.startswith(("http://", "https://")):
        yield uri, threading.Event().wait
        return
    _check_free(port)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    # not as an option: it may hold a password, which a command line would show
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=workspace, env=environment, stdout=subprocess.DEVNULL, stderr=said)

        def wait() -> None:
            if process.wait() != 0:
                said.seek(0)
                last = (said.read().decode(errors="replace").strip().splitlines() or ["it does not say why"])[-1]
                raise UsageError(f"MLflow could not serve {tracking.public(uri)}: {tracking.public(last)}")

        try:
            yield f"http://{HOST}:{port}", wait
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _reports(folder: Path, port: int) -> Iterator[str]:
    """The reports, the newest first."""
    _check_free(port)
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer((HOST, port), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files below the reports' folder, and a list of the reports; only for pages of this address."""

    def do_GET(self) -> None:
        if self._is_ours():
            self._list() if self.path == "/" else super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_ours():
            super().do_HEAD()

    def _is_ours(self) -> bool:
        """Whether the page that asks is of this address; one elsewhere that took this address for its name is refused."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}"):
            return True
        self.send_error(403)
        return False

    def list_directory(self, path: object) -> None:
        """No folder but the first one."""
        self.send_error(404)

    def log_message(self, format: str, *words: object) -> None:
        """Nothing on the terminal."""

    def _list(self) -> None:
        links = [
            f'<li><a href="/{urllib.parse.quote(page.parent.name)}/report.html">{html.escape(page.parent.name)}</a></li>'
            for page in _pages(Path(self.directory))
        ]
        content = "\n".join(links) or "<li>none yet: <code>harness report NAME</code></li>"
        body = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Reports</title><h1>Reports</h1><ul>{content}</ul>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def _pages(folder: Path) -> list[Path]:
    """Every report's page, the newest first."""
    return sorted(folder.glob("*/report.html"), key=lambda page: page.stat().st_mtime, reverse=True)


def _check_free(port: int) -> None:
    try:
        socket.create_server((HOST, port)).close()
    except PermissionError:
        raise UsageError(f"--port {port}: ports below 1024 are for the administrator; try --port 5000.") from None
    except OverflowError:
        raise UsageError(
            f"--port {port}: ports, this one and the next, are from 1 to 65535; try --port 5000."
        ) from None
    except OSError:
        raise UsageError(
            f"port {port} is taken; choose another one, free with the one after it: --port {port + 100}."
        ) from None
