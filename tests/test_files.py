"""Files that appear whole or not at all."""

import json

import pytest

from polishgen.files import whole, write_json


def test_an_error_leaves_the_file_that_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"miód": 1})
    with pytest.raises(RuntimeError), whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text(encoding="utf-8")) == {"miód": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_value_that_is_no_json_writes_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert not list(tmp_path.iterdir())
