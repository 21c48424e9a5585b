import json
import subprocess
import sys
from pathlib import Path

import urllib3

from tests.harness.files_server import FilesServer


def test_other_processes_can_run_it_and_read_its_address(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7")
    command = [sys.executable, "-m", "tests.harness.files_server", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        answer = urllib3.request("GET", f"{address}/files/scan.pdf", retries=False, timeout=5)
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert (answer.data, answer.headers["Content-Type"]) == (b"%PDF-1.7", "application/pdf")


def test_files_can_be_added_and_taken_away_while_it_runs() -> None:
    with FilesServer() as server:
        url = server.add("late.png", b"x")
        assert urllib3.request("GET", url, retries=False, timeout=5).data == b"x"
        server.remove("late.png")
        assert urllib3.request("GET", url, retries=False, timeout=5).status == 404
        assert [request.path for request in server.requests] == ["/files/late.png", "/files/late.png"]


def test_no_name_leads_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(b"x")
    with FilesServer(folder=tmp_path / "inside") as server:
        assert urllib3.request("GET", server.url("/files/%2e%2e/secret"), retries=False, timeout=5).status == 404
