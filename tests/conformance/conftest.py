"""The models under test."""

import pytest

from tests.conformance import profile_models
from tests.conformance.models import ENCODERS, LOSSES, built


@pytest.fixture(params=ENCODERS, ids="-".join)
def encoder(request):
    return built(*request.param)


@pytest.fixture(params=LOSSES, ids="-".join)
def learner(request):
    return built(*request.param)


@pytest.fixture(params=profile_models.PROFILES, ids="-".join)
def profiler(request):
    return profile_models.built(*request.param)
