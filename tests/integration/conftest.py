"""Fixtures of the integration tests: a served fleet repo with a person's clone of it, and a certificate.

A test file says what its server holds by a fixture `server` of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.fake_apiserver import make_certificate
from tests.integration.git_http import GitServer, git


@pytest.fixture
def fleet(server: GitServer) -> Path:
    """The bare repository behind the server, to look into."""
    return server.root / "fleet.git"


@pytest.fixture
def person(server: GitServer, tmp_path: Path) -> Path:
    """A clone that a person works in with plain git."""
    git(tmp_path, "clone", "-q", server.url("fleet.git"), "person")
    return tmp_path / "person"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, made once."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))
