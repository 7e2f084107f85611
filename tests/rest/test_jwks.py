"""An identity provider's tokens through slurmrestd to slurmctld and slurmdbd; its keys change while all of them run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

pytest.importorskip("cryptography", reason="cryptography is not installed")

from tests.auth.test_token import FOREIGN, PRIVATE, forged, public
from tests.e2e.site import Site

from .conftest import Rest, serving

PATHS = ("/slurm/v0.0.42/jobs", "/slurmdb/v0.0.42/accounts")
pytestmark = pytest.mark.xdist_group("jwks")


def publish(site: Site, *keys: Any) -> None:
    draft = site.base / "jwks.new"
    draft.write_text(json.dumps({"keys": list(keys)}))
    draft.replace(site.base / "jwks.json")


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    site = Site(tmp_path_factory.mktemp("jwks"))
    words = f"jwt_key={site.base}/jwt.key,jwks={site.base}/jwks.json,userclaimfield=login,audience=slurm"
    for path in (site.conf, str(site.base / "slurmdbd.conf")):
        lines = [line for line in Path(path).read_text().splitlines() if not line.startswith("AuthAlt")]
        Path(path).write_text("\n".join([f"AuthAltTypes=auth/jwt\nAuthAltParameters={words}", *lines]) + "\n")
    publish(site)
    with serving(site) as daemon:
        yield daemon


def claims(**more: Any) -> dict[str, Any]:
    return {"exp": int(time.time()) + 60, "login": "root", "aud": ["web", "slurm"], **more}


def statuses(rest: Rest, token: str) -> list[int]:
    """Of slurmctld's and slurmdbd's answers, by either header."""
    found = []
    for path in PATHS:
        for headers in ({"X-SLURM-USER-TOKEN": token}, {"Authorization": f"Bearer {token}"}):
            answer = rest("GET", path, headers=headers)
            found.append(answer.status)
            assert answer.status == 200 or answer.errors
    return found


GOOD = [200] * 4


def test_keys_come_and_go(rest: Rest) -> None:
    tokens = {name: jwt.encode(claims(), PRIVATE[name], algorithm=name, headers={"kid": name}) for name in PRIVATE}
    for name, token in tokens.items():
        publish(rest.site, *FOREIGN)
        refused = statuses(rest, token)
        assert 200 not in refused, name
        publish(rest.site, *FOREIGN, public(name, name))
        assert statuses(rest, token) == GOOD, name
    publish(rest.site, *(public(name, name) for name in PRIVATE))
    assert [statuses(rest, token) for token in tokens.values()] == [GOOD] * 3


def test_what_is_refused(rest: Rest) -> None:
    publish(rest.site, *(public(name, name) for name in PRIVATE))
    now = int(time.time())

    def signed(name: str = "RS256", kid: str = "", **more: Any) -> str:
        return jwt.encode(claims(**more), PRIVATE[name], algorithm=name, headers={"kid": kid or name})

    assert statuses(rest, signed()) == GOOD
    pem = json.dumps(public("RS256")).encode()
    bad = {
        "expired": signed(exp=now - 60),
        "not yet": signed(nbf=now + 600),
        "made in the future": signed(iat=now + 600),
        "unknown user": signed(login=f"nobody-{os.getpid()}"),
        "other audience": signed(aud="web"),
        "the usual claim": jwt.encode(
            {"exp": now + 60, "sun": "root", "aud": "slurm"}, PRIVATE["RS256"], algorithm="RS256"
        ),
        "unknown key": signed(kid="nosuch"),
        "another's key": signed("RS256", "ES256"),
        "none": forged({"alg": "none"}, claims()),
        "HS256 by the public key": forged({"alg": "HS256", "kid": "RS256"}, claims(), pem),
        "no token": "abc",
    }
    for what, token in bad.items():
        assert 200 not in statuses(rest, token), what
    key = (rest.site.base / "jwt.key").read_bytes()
    assert statuses(rest, jwt.encode(claims(), key, algorithm="HS256")) == GOOD
    logs = "".join(path.read_text() for path in rest.site.base.glob("*.log"))
    for token in bad.values():
        assert not any(part in logs for part in token.split(".") if len(part) > 10)
