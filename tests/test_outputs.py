import pytest

from hsiattn.errors import OutputError
from hsiattn.outputs import whole_file


def test_a_file_appears_when_the_block_ends(tmp_path):
    final = tmp_path / "map.txt"
    with whole_file(final) as temporary:
        temporary.write_text("new")
        assert not final.exists()
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt, OSError(28, "No space left on device"), ValueError("bad value")]
)
def test_whatever_goes_wrong_the_old_file_stays_and_nothing_else(tmp_path, failure):
    final = tmp_path / "map.txt"
    final.write_text("old")

    def write():
        with whole_file(final, ValueError) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises((KeyboardInterrupt, OutputError)):
        write()
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_the_reason_is_told_in_one_line(tmp_path):
    with (
        pytest.raises(OutputError, match=r"map\.txt cannot be written") as caught,
        whole_file(tmp_path / "no" / "map.txt") as t,
    ):
        t.write_text("x")
    assert "\n" not in str(caught.value)
