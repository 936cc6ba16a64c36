import pytest

from trainer.data.text_vectors import read_description
from trainer.errors import InputError


@pytest.mark.parametrize("content", [None, "{", "[]", '{"encoder": "tfidf"}'])
def test_a_folder_without_an_encoder_is_refused(tmp_path, content):
    if content:
        (tmp_path / "encoder.json").write_text(content)
    with pytest.raises(InputError, match="does not describe a text encoder"):
        read_description(str(tmp_path))
