"""What a user names: a package of the index, or a file or folder of theirs."""

from tasks.sdists.source import local_path


def test_a_file_is_taken_by_its_name(tmp_path):
    (tmp_path / "annoy-1.0.tar.gz").write_bytes(b"")
    assert local_path("annoy-1.0.tar.gz", tmp_path) == tmp_path / "annoy-1.0.tar.gz"


def test_a_folder_is_meant_where_it_is_written_as_a_path(tmp_path):
    (tmp_path / "annoy").mkdir()
    assert local_path("./annoy", tmp_path) == tmp_path / "annoy"
    assert local_path(".", tmp_path / "annoy") == tmp_path / "annoy"
    assert local_path("annoy", tmp_path) is None


def test_a_name_with_a_version_is_of_the_index(tmp_path):
    assert local_path("annoy==1.17.3", tmp_path) is None
