from collections import Counter
from pathlib import Path

from PIL import Image

from tests.system.chaos.guests import BROKEN, CLOSED_CONVERSATIONS, GONE, PICTURES, File, write_files


def test_the_same_seed_and_number_drop_the_same_file() -> None:
    assert File.of(7, 12) == File.of(7, 12)
    assert [File.of(7, number) for number in range(50)] != [File.of(8, number) for number in range(50)]


def test_conversations_hold_several_files_and_some_files_are_bad() -> None:
    files = [File.of(7, number) for number in range(4000)]
    conversations = Counter(file.conversation_id for file in files)
    names = Counter(file.name for file in files)
    assert 4 < 4000 / len(conversations) < 12
    assert set(names) == {*PICTURES, BROKEN, GONE}
    assert set(CLOSED_CONVERSATIONS) < set(conversations)
    assert len({file.event_id for file in files}) == 4000


def test_the_same_seed_makes_the_same_small_pictures(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write_files(folder, 7)
    for name in PICTURES:
        with Image.open(first / name) as picture:
            picture.load()
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).stat().st_size < 2000
