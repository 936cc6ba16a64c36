"""The models under test."""

import pytest

from tests.conformance.models import EVERY_MODEL, built


@pytest.fixture(params=EVERY_MODEL, ids="-".join)
def model(request):
    return built(*request.param)
