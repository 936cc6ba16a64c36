"""A schema file that can be read, and others."""

import pytest

from components.validation.schema_file import content_of
from trainer.errors import InputError


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"feature { name: 3 }", "is not a schema .*line:column 1:17"),
        (b"\xff\xfe", "is not a schema"),
        (b"", "describes no feature"),
    ],
)
def test_a_file_that_is_no_schema_is_an_error_in_words(tmp_path, content, words):
    path = tmp_path / "schema.pbtxt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"validation.schema_path: .*schema.pbtxt {words}"):
        content_of(str(path))


def test_a_folder_is_no_schema_and_an_edited_file_another_one(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        content_of(str(tmp_path))
    path, contents = tmp_path / "schema.pbtxt", []
    for text in (
        'feature { name: "a" } feature { name: "b" }',
        'feature{name:"a"}\nfeature{name:"b"}',
        'feature{name:"a"}',
    ):
        path.write_text(text)
        contents.append(content_of(str(path)))
    assert contents[0] == contents[1] != contents[2]
