"""What happens where the kernel lacks a layer: tried on this kernel, with the layer's calls hidden."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.rendering.layers import Layer, Requirement
from tests.agents.rendering.pools import children_of, running_pool
from tests.harness.files import photo, saved

CHECKOUT = Path(__file__).parents[2]
HIDDEN = {
    Layer.LANDLOCK: "landlock_create_ruleset",
    Layer.SECCOMP: "seccomp",
    Layer.NETWORK_NAMESPACE: "unshare",
    Layer.CAPABILITIES: "capset",
}
IN_FORCE: dict[Layer, str] = dict.fromkeys(Layer, "")


def render(file: Path, *hidden: str, required: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agents", "render", "--json", str(file)]
    if hidden:
        command = [sys.executable, "-m", "tests.confinement.kernels", *hidden, "--", *command]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "RENDER_REQUIRE_CONFINEMENT": required,
    }
    # Away from the checkout, which may have a .env.
    return subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(photo((64, 48)), "JPEG"))
    return path


@pytest.mark.parametrize(("layer", "hidden"), HIDDEN.items())
def test_a_missing_layer_is_named_in_one_line_and_the_file_is_rendered(layer: Layer, hidden: str, file: Path) -> None:
    done = render(file, hidden, required="")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "rendered"
    (line,) = done.stderr.splitlines()
    assert "rendering.confinement_layer_missing" in line
    assert f'layer="{layer}"' in line


@pytest.mark.parametrize(("layer", "hidden"), HIDDEN.items())
def test_nothing_is_rendered_without_a_layer_that_is_required(layer: Layer, hidden: str, file: Path) -> None:
    done = render(file, hidden, required=layer)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"RENDER_REQUIRE_CONFINEMENT='{layer}' is wrong: this system does not give {layer} (")


def test_what_this_kernel_has_may_be_required(file: Path) -> None:
    done = render(file, required="landlock,seccomp,no_new_privileges,capabilities,resource_limits")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_layer_that_nobody_knows_is_a_wrong_setting(file: Path) -> None:
    done = render(file, required="selinux")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "landlock" in done.stderr


def test_every_layer_is_told_once_and_again_when_it_changes() -> None:
    told: list[tuple[Layer, bool]] = []
    requirement = Requirement(on_layer=lambda layer, held: told.append((layer, held)))
    for _ in range(2):
        requirement.unmet(IN_FORCE)
    assert told == [(layer, True) for layer in Layer]
    requirement.unmet({**IN_FORCE, Layer.SECCOMP: "no"})
    assert told[len(Layer) :] == [(Layer.SECCOMP, False)]


def test_a_child_that_does_not_tell_of_a_layer_does_not_have_it() -> None:
    assert Requirement([Layer.SECCOMP]).unmet({}) == "seccomp (unknown)"


def test_only_what_is_required_is_unmet() -> None:
    assert Requirement([Layer.LANDLOCK]).unmet({**IN_FORCE, Layer.SECCOMP: "no"}) == ""


async def test_children_are_in_a_network_of_their_own() -> None:
    held: dict[Layer, bool] = {}
    async with running_pool() as pool:
        await pool.render(saved(photo((64, 48)), "JPEG"), file_name="photo.jpg")
        forkserver = pool._forkserver.pid
        assert forkserver is not None
        held.update(pool._forkserver._requirement._known)
        (child,) = children_of(forkserver)
        apart = os.readlink(f"/proc/{child}/ns/net") != os.readlink("/proc/self/ns/net")  # noqa: PTH115
    assert apart is held[Layer.NETWORK_NAMESPACE]
