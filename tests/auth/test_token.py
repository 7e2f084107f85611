"""What auth/jwt believes: keys of every kind, rotation, claims; and that it refuses everything else with an error."""

from __future__ import annotations

import base64
import hmac
import json
import os
import pwd
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmpy.auth import jwks, token
from slurmpy.core.errors import SlurmError

pytest.importorskip("cryptography", reason="cryptography is not installed")
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

USER = pwd.getpwuid(os.geteuid()).pw_name


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"exp": now + 600, "iat": now, "sun": USER, **more}


PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def public(name: str, kid: str | None = None, **more: Any) -> dict[str, Any]:
    key = PRIVATE[name].public_key()
    if name == "RS256":
        found = {"kty": "RSA", "n": number(key.public_numbers().n), "e": number(key.public_numbers().e)}
    elif name == "ES256":
        x, y = (getattr(key.public_numbers(), part).to_bytes(32, "big") for part in "xy")
        found = {"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)}
    else:
        found = {"kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_bytes_raw())}
    return {**found, **({"kid": kid} if kid else {}), **more}


#: what a provider may publish beside the keys that count here
FOREIGN: list[Any] = [
    {"kty": "oct", "k": encoded(b"0" * 32), "alg": "HS256", "kid": "secret"},
    {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "curve"},
    {"kty": "OKP", "crv": "X25519", "x": encoded(b"1" * 32), "kid": "exchange"},
    {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"},
    {"kty": "RSA", "kid": "empty"},
    {"kty": "RSA", "n": number(SMALL.public_key().public_numbers().n), "e": "AQAB", "kid": "small"},
    {"kty": 7},
    {"kty": "RSA", "n": 5, "e": "AQAB"},
    "a word",
    None,
]


class Place:
    """A directory with a secret key and a key set, and the configuration that names them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.secret = os.urandom(32)
        (base / "jwt.key").write_bytes(self.secret)
        (base / "jwt.key").chmod(0o600)

    def publish(self, *keys: Any) -> None:
        draft = self.base / "jwks.new"
        draft.write_text(json.dumps({"keys": list(keys)}))
        draft.replace(self.base / "jwks.json")

    def conf(self, *words: str) -> SimpleNamespace:
        names = {"jwt_key": f"jwt_key={self.base}/jwt.key", "jwks": f"jwks={self.base}/jwks.json"}
        text = ",".join(names.get(word, word) for word in words)
        return SimpleNamespace(AuthAltTypes="auth/jwt", AuthAltParameters=text, SlurmUser="root", StateSaveLocation="")

    def signed(self, name: str, told: dict[str, Any] | None = None, **header: Any) -> str:
        key = self.secret if name == "HS256" else PRIVATE[name]
        return jwt.encode(claims() if told is None else told, key, algorithm=name, headers=header or None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refused(conf: Any, text: str) -> bool:
    try:
        token.peer_of(conf, text)
    except SlurmError as error:
        return error.name == "ESLURM_AUTH_CRED_INVALID"
    return False


@pytest.mark.parametrize("name", list(PRIVATE))
@pytest.mark.parametrize("kid", ["", "two"])
def test_one_of_several_keys(place: Place, name: str, kid: str) -> None:
    place.publish(*FOREIGN, *(public(one, "two") for one in PRIVATE if one != name), public(name, "two"))
    header = {"kid": kid} if kid else {}
    assert token.peer_of(place.conf("jwks"), place.signed(name, **header)).uid == os.geteuid()
    assert refused(place.conf("jwks"), place.signed(name, kid="three"))
    assert refused(place.conf("jwt_key"), place.signed(name, **header))


def test_keys_for_something_else(place: Place) -> None:
    for more in (
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
    ):
        place.publish(public("RS256", **more))
        assert jwks.load(str(place.base / "jwks.json")) == []
        assert refused(place.conf("jwks"), place.signed("RS256"))
    place.publish(public("RS256", use="sig", key_ops=["verify"], alg="RS256", x5c=["AAAA"]))
    assert not refused(place.conf("jwks"), place.signed("RS256"))


def test_a_small_key_is_passed_over(place: Place) -> None:
    place.publish(*FOREIGN)
    assert refused(place.conf("jwks"), jwt.encode(claims(), SMALL, algorithm="RS256", headers={"kid": "small"}))


def test_keys_rotate_without_a_restart(place: Place) -> None:
    conf = place.conf("jwks")
    old, new = place.signed("RS256", kid="a"), place.signed("ES256", kid="b")
    place.publish(public("RS256", "a"))
    assert (refused(conf, old), refused(conf, new)) == (False, True)
    place.publish(public("RS256", "a"), public("ES256", "b"))
    assert (refused(conf, old), refused(conf, new)) == (False, False)
    place.publish(public("ES256", "b"))
    assert (refused(conf, old), refused(conf, new)) == (True, False)
    (place.base / "jwks.json").write_text('{"keys": [')
    assert refused(conf, new)
    place.publish(public("ES256", "b"))
    assert not refused(conf, new)
    (place.base / "jwks.json").unlink()
    assert refused(conf, new)


def test_both_kinds_of_keys(place: Place) -> None:
    place.publish(public("RS256", "a"))
    conf = place.conf("jwt_key", "jwks")
    assert not refused(conf, place.signed("HS256"))
    assert not refused(conf, place.signed("RS256", kid="a"))
    assert token.may_create(conf)
    alone = place.conf("jwks")
    assert refused(alone, place.signed("HS256"))  # Slurm: with jwks= no HS256 key is loaded unless it is named
    assert not token.may_create(alone)
    rotated = place.signed("HS256")
    (place.base / "jwt.key").write_bytes(os.urandom(32))
    assert refused(conf, rotated)


def forged(header: dict[str, Any], told: dict[str, Any], secret: bytes = b"", digest: str = "sha256") -> str:
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, told))
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), digest)) if secret else ''}"


def test_a_public_key_is_no_secret(place: Place) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    place.publish(*(public(name, name) for name in PRIVATE))
    texts = [(place.base / "jwks.json").read_bytes(), b""]
    for name in PRIVATE:
        for encoding in (Encoding.PEM, Encoding.DER):
            texts.append(PRIVATE[name].public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo))
    texts += [text.strip() for text in texts]
    for conf in (place.conf("jwks"), place.conf("jwt_key", "jwks")):
        for secret in texts:
            for kid in ("RS256", "ES256", "EdDSA", None):
                header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
                assert refused(conf, forged(header, claims(), secret))


def test_algorithms(place: Place) -> None:
    place.publish(*(public(name, "one") for name in PRIVATE))
    conf = place.conf("jwt_key", "jwks")
    for name in ("none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS384", "PS256", "ES256", "EdDSA", "RS256"):
        assert refused(conf, forged({"alg": name}, claims())), name
        assert refused(conf, forged({"alg": name}, claims(), place.secret)), name
    for value in (None, 5, ["HS256"], {"a": 1}):
        assert refused(conf, forged({"alg": value}, claims(), place.secret))
    assert refused(conf, forged({}, claims(), place.secret))
    assert not refused(conf, forged({"alg": "HS256"}, claims(), place.secret))
    assert refused(conf, forged({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), place.secret))
    for name in ("RS384", "RS512", "PS256"):
        assert refused(conf, jwt.encode(claims(), PRIVATE["RS256"], algorithm=name, headers={"kid": "one"}))
    # a key that the token brings along is nobody's
    for header in ({"jwk": public("RS256")}, {"jku": "http://127.0.0.1/"}, {"x5u": "http://127.0.0.1/"}):
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        assert refused(conf, jwt.encode(claims(), stranger, algorithm="RS256", headers=header))


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({}, True),
        ({"exp": -token.LEEWAY - 1}, False),
        ({"exp": -token.LEEWAY + 2}, True),
        ({"nbf": token.LEEWAY + 60}, False),
        ({"nbf": token.LEEWAY - 2}, True),
        ({"iat": token.LEEWAY + 60}, False),
        ({"iat": token.LEEWAY - 2}, True),
        ({"iat": -86400 * 365}, True),
    ],
)
@pytest.mark.parametrize("name", ["HS256", "EdDSA"])
def test_times(place: Place, more: dict[str, int], good: bool, name: str) -> None:
    place.publish(public("EdDSA"))
    told = claims(**{key: int(time.time()) + seconds for key, seconds in more.items()})
    assert refused(place.conf("jwt_key", "jwks"), place.signed(name, told)) != good


def test_users(place: Place) -> None:
    conf = place.conf("jwt_key")
    now = int(time.time())
    assert token.peer_of(conf, place.signed("HS256", {"exp": now + 9, "username": USER})).name == USER
    bad: list[Any] = [
        f"nobody-{os.getpid()}",
        "",
        0,
        None,
        True,
        [USER],
        {"a": USER},
        USER + "\0",
        " " + USER,
        "x" * 9000,
    ]
    for value in bad:
        assert refused(conf, forged({"alg": "HS256"}, {"exp": now + 9, "sun": value}, place.secret)), value
    assert refused(conf, place.signed("HS256", {"exp": now + 9}))
    assert refused(conf, place.signed("HS256", {"sun": USER}))
    other = place.conf("jwt_key", "userclaimfield=login")
    assert not refused(other, place.signed("HS256", {"exp": now + 9, "login": USER, "sun": "x"}))
    assert refused(other, place.signed("HS256", claims()))
    assert refused(other, place.signed("HS256", claims(login=f"nobody-{os.getpid()}")))


def test_audience(place: Place) -> None:
    conf = place.conf("jwt_key", "audience=slurm")
    for value, good in (
        ("slurm", True),
        (["web", "slurm"], True),
        ("web", False),
        ([], False),
        (5, False),
        ("", False),
    ):
        assert refused(conf, forged({"alg": "HS256"}, claims(aud=value), place.secret)) != good, value
    assert refused(conf, place.signed("HS256"))
    assert not refused(place.conf("jwt_key"), place.signed("HS256", claims(aud="web")))  # Slurm never looks at it


def test_others_are_spoken_for_by_the_trusted_alone(place: Place) -> None:
    names = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, os.geteuid())][:2]
    if len(names) < 2:
        pytest.skip("this host has too few users")
    conf = place.conf("jwt_key")
    root, other = place.signed("HS256", claims(sun="root")), place.signed("HS256", claims(sun=names[0]))
    assert token.peer_of(conf, root, names[1]).name == names[1]
    assert token.peer_of(conf, other, names[0]).name == names[0]
    for claimed in (names[1], "root"):
        with pytest.raises(SlurmError):
            token.peer_of(conf, other, claimed)
    conf.SlurmUser = names[0]
    assert token.peer_of(conf, other, names[1]).name == names[1]
    with pytest.raises(SlurmError):
        token.peer_of(conf, root, f"nobody-{os.getpid()}")


def test_files(place: Place) -> None:
    place.publish(public("RS256"))
    token.check(place.conf("jwt_key", "jwks"))
    for path, mode, word in (("jwks.json", 0o646, "jwks"), ("jwt.key", 0o604, "jwt_key")):
        kept = (place.base / path).stat().st_mode
        (place.base / path).chmod(mode)
        with pytest.raises(SlurmError, match="insecure"):
            token.check(place.conf(word))
        (place.base / path).chmod(kept)
    for text in ("", "[]", "{}", '{"keys": 5}', "[" * 100_000, "\0"):
        (place.base / "jwks.json").write_text(text)
        with pytest.raises(SlurmError, match="no JSON web key set"):
            token.check(place.conf("jwks"))
    (place.base / "jwks.json").unlink()
    with pytest.raises(SlurmError, match="cannot read"):
        token.check(place.conf("jwks"))
    for value in ("x", "0", "-1", "1.5", "", "99999999999"):
        with pytest.raises(SlurmError, match="max_token_lifespan"):
            token.check(place.conf("jwt_key", f"max_token_lifespan={value}"))


SECRET = b"k" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    base = tmp_path_factory.mktemp("token")
    (base / "jwt.key").write_bytes(SECRET)
    (base / "jwt.key").chmod(0o600)
    place = Place.__new__(Place)
    place.base = base
    place.publish(*(public(name, name) for name in PRIVATE))
    return place.conf("jwt_key", "jwks")


@settings(deadline=None, max_examples=150)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip", "cty"]), JSON),
    told=st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "sun", "aud", "sub", "jti", "iss"]), JSON),
)
def test_signed_nonsense(fixed: SimpleNamespace, header: dict[str, Any], told: dict[str, Any]) -> None:
    """Whatever a holder of the key signs: a user of this host whose time is not over, or an error of ours."""
    for head in (header, {**header, "alg": "HS256"}):
        text = forged(head, told, SECRET)
        try:
            peer = token.peer_of(fixed, text)
        except SlurmError:
            assert refused(fixed, text)
        else:
            assert head["alg"] == "HS256"
            assert told["sun"] == peer.name
            assert float(told["exp"]) > time.time() - token.LEEWAY


@settings(deadline=None, max_examples=200)
@given(
    name=st.sampled_from(["HS256", *PRIVATE]),
    at=st.floats(0, 0.999),
    character=st.sampled_from("AZaz09-_.=+/ \néÿ\0"),
    how=st.sampled_from(["change", "insert", "cut"]),
)
def test_a_changed_token_is_none(fixed: SimpleNamespace, name: str, at: float, character: str, how: str) -> None:
    good = jwt.encode(claims(), SECRET if name == "HS256" else PRIVATE[name], algorithm=name)
    assert not refused(fixed, good)
    place = int(at * len(good))
    rest = {"change": good[place + 1 :], "insert": good[place:], "cut": ""}[how]
    bad = good[:place] + ("" if how == "cut" else character) + rest
    try:
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in bad.split(".")]
        same = parts == [base64.urlsafe_b64decode(part + "==") for part in good.split(".")]
    except ValueError:
        same = False
    if not same:  # base64 has bits at the end of a text, and characters beside its own, that say nothing
        assert refused(fixed, bad)


@settings(deadline=None, max_examples=100)
@given(text=st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_\-]{0,80}(\.[A-Za-z0-9_\-]{0,80}){0,5}", fullmatch=True))
def test_nonsense(fixed: SimpleNamespace, text: str) -> None:
    assert refused(fixed, text)
    assert refused(fixed, "a" * token.LONGEST + text)
