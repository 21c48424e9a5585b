import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.render_command import Shelf, read
from agents.rendering.webp import webp_size
from tests.harness.files import bomb_png, photo, saved

CHECKOUT = Path(__file__).parents[2]
COLUMNS = [
    "file",
    "verdict",
    "reason",
    "type",
    "width",
    "height",
    "bytes",
    "cpu_ms",
    "wall_ms",
    "peak_rss_bytes",
    "engine",
]


def render(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agents", "render", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], **settings}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(photo((800, 600)), "JPEG"))
    return path


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb_png())
    return path


def test_json_is_one_line_a_file_with_the_preview_written_beside(picture: Path, tmp_path: Path) -> None:
    done = render(picture, "--json", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    row = json.loads(done.stdout)
    assert list(row) == COLUMNS
    assert (row["file"], row["verdict"], row["reason"], row["type"]) == (str(picture), "rendered", None, "jpeg")
    webp = (tmp_path / "out" / "photo.jpg.webp").read_bytes()
    assert webp_size(webp) == (row["width"], row["height"]) == (300, 225)
    assert row["bytes"] == len(webp)
    assert 0 < row["cpu_ms"] < 5_000
    assert 1_000_000 < row["peak_rss_bytes"] < 500_000_000


def test_a_refusal_is_a_row_with_its_reason_and_exit_code_1(bomb: Path) -> None:
    done = render(bomb, "--json")
    assert done.returncode == 1
    row = json.loads(done.stdout)
    assert (row["verdict"], row["width"], row["bytes"], row["engine"]) == ("bomb", None, None, None)
    assert "megapixels" in row["reason"]


def test_people_get_a_table(picture: Path, bomb: Path) -> None:
    head, *rows = render(picture, bomb).stdout.splitlines()
    assert head.split()[:2] == ["file", "verdict"]
    assert [line.split()[1] for line in rows] == ["rendered", "bomb"]


def test_a_path_that_cannot_be_read_is_told_and_the_others_are_rendered(picture: Path, tmp_path: Path) -> None:
    done = render(tmp_path / "missing.jpg", tmp_path, picture, "--json")
    assert done.returncode == 2
    assert "missing.jpg: No such file or directory" in done.stderr
    assert f"{tmp_path}: Is a directory" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "rendered"


def test_a_folder_that_cannot_be_made_ends_the_command(picture: Path) -> None:
    done = render(picture, "--out", picture / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--out ")


def test_the_worker_s_limits_count(picture: Path) -> None:
    done = render(picture, "--json", DOWNLOAD_MAX_BYTES="1000", RENDER_MAX_EDGE_PX="64")
    assert json.loads(done.stdout)["verdict"] == "too_large"
    done = render(picture, "--json", RENDER_MAX_EDGE_PX="64")
    assert json.loads(done.stdout)["width"] == 64


def test_two_files_of_one_name_do_not_take_each_other_s_place(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    names = [shelf.put("a.jpg", bytes([number])).name for number in range(3)]
    assert names == ["a.jpg.webp", "a.jpg-2.webp", "a.jpg-3.webp"]
    assert (tmp_path / "a.jpg-2.webp").read_bytes() == b"\1"


def test_no_more_is_read_than_tells_that_a_file_is_too_large(picture: Path) -> None:
    assert len(read(picture, 10)) == 11
