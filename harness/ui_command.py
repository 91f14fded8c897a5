"""`harness ui`: MLflow's page and the workspace's reports in a browser, on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import html
import http.server
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from harness import tracking
from harness.errors import UsageError

HOST = "127.0.0.1"


def run(out: Console, workspace: Path, port: int, uri: str | None) -> int:
    """Serve both until Ctrl-C, or until MLflow ends by itself."""
    target = uri or tracking.default_uri(workspace)
    reports = workspace / "reports"
    with _reports(reports, port + 1) as address, _mlflow(workspace, target, port) as (shown, process):
        out.print(f"MLflow:  {tracking.public(shown)}", soft_wrap=True)
        none = "" if _pages(reports) else "  (none yet: `harness report NAME`)"
        out.print(f"Reports: {address}{none}", soft_wrap=True)
        out.print("Ctrl-C ends both.")
        try:
            if process:
                return process.wait()
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
    return 0


@contextlib.contextmanager
def _mlflow(workspace: Path, uri: str, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """Its page: of the server that the runs are in, or of one started here for a database."""
    if uri.startswith(("http://", "https://")):
        yield uri, None
        return
    _check_free(port)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", HOST, "--port", str(port)]
    process = subprocess.Popen(command, cwd=workspace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://{HOST}:{port}", process
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
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (
            f"{HOST}:{port}",
            f"localhost:{port}",
        ):  # a page elsewhere that renamed itself
            self.send_error(403)
        elif self.path == "/":
            self._list()
        else:
            super().do_GET()

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
    with contextlib.suppress(OSError), socket.create_server((HOST, port)):
        return
    raise UsageError(f"port {port} is taken; choose another one, free with the one after it: --port {port + 100}.")
