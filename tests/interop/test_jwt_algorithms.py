"""
Keys and algorithms: each family crosses over, and none is taken for another.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from starlette_flask.jwt import JWTManager
from tests.interop.jwts import (
    KEY,
    MakeSite,
    access,
    both_make,
    claims,
    claims_of,
    each_site,
    in_header,
    key_pair,
    sign,
    travel_to,
)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


ALGORITHMS = {
    "HS256": None,
    "HS384": None,
    "HS512": None,
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "SECP256R1",
    "ES384": "SECP384R1",
    "ES512": "SECP521R1",
    "ES256K": "SECP256K1",
    "EdDSA": "Ed25519",
}
"""And whose keys they take."""


def keys_for(algorithm: str) -> dict[str, Any]:
    """
    Return the config of an algorithm.
    """
    family = ALGORITHMS[algorithm]
    if family is None:
        return {"JWT_ALGORITHM": algorithm, "JWT_SECRET_KEY": KEY}
    private, public = key_pair(family)
    return {"JWT_ALGORITHM": algorithm, "JWT_PRIVATE_KEY": private, "JWT_PUBLIC_KEY": public, "JWT_SECRET_KEY": None}


@cache
def signed_with(algorithm: str, family: str | None = None) -> str:
    """
    Return a good token, signed with the key pair of *family* or that of the algorithm.
    """
    family = family or ALGORITHMS[algorithm]
    return jwt.encode(claims(), key_pair(family)[0] if family else KEY, algorithm)


@each_site(["twin", "heir", "keywords"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_algorithm(make_site: MakeSite, algorithm: str) -> None:
    """
    A token of either is accepted by either, in every algorithm; an altered one by neither.
    """
    site = make_site(**keys_for(algorithm))
    for side in site.sides:
        token = side.call(lambda api: api.create_access_token("ada"))
        assert site.ask(**in_header(token)).json["identity"] == "ada"
        head, _, signature = token.rpartition(".")
        for altered in ("", signature[:-4], signature + "AAAA", "A" * (len(signature) // 4 * 4), signature[4:]):
            assert site.ask(**in_header(f"{head}.{altered}")).status == 422
        assert site.ask(**in_header(sign(claims_of(token) | {"sub": "eve"}, signature=signature))).status == 422


@each_site(["twin", "heir", "keywords"])
@pytest.mark.parametrize("algorithm", [name for name, family in ALGORITHMS.items() if family])
def test_public_key_only(make_site: MakeSite, algorithm: str) -> None:
    """
    Who only verifies needs no private key, and can't make tokens.
    """
    config = keys_for(algorithm)
    del config["JWT_PRIVATE_KEY"]
    site = make_site(**config)
    assert site.ask(**in_header(signed_with(algorithm))).status == 200
    for side in site.sides:
        with pytest.raises((RuntimeError, ValueError)):
            side.call(access())


@each_site(["twin", "heir", "keywords"])
def test_private_key_only(make_site: MakeSite) -> None:
    """
    Who only makes tokens needs no public key.
    """
    config = keys_for("EdDSA")
    del config["JWT_PUBLIC_KEY"]
    both_make(make_site(**config), access())


@each_site(["twin", "heir", "keywords"])
@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_keys_as_bytes_or_objects(make_site: MakeSite, algorithm: str) -> None:
    """
    Keys may be text, bytes, or what cryptography makes of them.
    """
    config = keys_for(algorithm)
    private: Any = load_pem_private_key(config["JWT_PRIVATE_KEY"].encode(), None)
    expected = both_make(make_site(**config), access())
    for pair in (
        (config["JWT_PRIVATE_KEY"].encode(), config["JWT_PUBLIC_KEY"].encode()),
        (private, private.public_key()),
    ):
        site = make_site(**{**config, "JWT_PRIVATE_KEY": pair[0], "JWT_PUBLIC_KEY": pair[1]})
        assert both_make(site, access()) == expected
        assert site.ask(**in_header(expected)).status == 200


@each_site(["twin", "heir", "keywords"])
def test_ed448(make_site: MakeSite) -> None:
    """
    EdDSA is Ed448, too.
    """
    private, public = key_pair("Ed448")
    site = make_site(JWT_ALGORITHM="EdDSA", JWT_PRIVATE_KEY=private, JWT_PUBLIC_KEY=public)
    assert site.ask(**in_header(both_make(site, access()))).status == 200


@each_site(["twin", "heir", "keywords"])
@pytest.mark.parametrize(
    ("allowed", "statuses"),
    [
        pytest.param(None, (200, 422, 422), id="not set"),
        pytest.param([], (200, 422, 422), id="empty"),
        pytest.param(["HS512"], (200, 422, 200), id="another, and its own"),
        pytest.param(["HS256", "HS384"], (200, 200, 422), id="two"),
        pytest.param(("HS256", "HS512"), (200, 422, 200), id="tuple"),
    ],
)
def test_decode_algorithms(make_site: MakeSite, allowed: Any, statuses: tuple[int, ...]) -> None:
    """
    Tokens of these algorithms are accepted, and always those of the one that makes them.
    """
    site = make_site(JWT_DECODE_ALGORITHMS=allowed)
    answers = [site.ask(**in_header(signed_with(algorithm))) for algorithm in ("HS256", "HS384", "HS512")]
    assert tuple(answer.status for answer in answers) == statuses


def test_our_list_stays() -> None:
    """
    Flask-JWT-Extended writes into the list of algorithms that it is given; we don't.
    """
    allowed = ["HS512"]
    JWTManager(secret_key=KEY, decode_algorithms=allowed).create_access_token("ada")
    assert allowed == ["HS512"]


MIXED = ["HS256", "RS256", "PS256", "ES256", "EdDSA", "none"]


@each_site(["twin", "heir"])
@pytest.mark.parametrize("allowed", [None, ["HS256"], MIXED], ids=repr)
@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_algorithm_confusion(make_site: MakeSite, algorithm: str, allowed: list[str] | None) -> None:
    """
    A token of another kind than the key is refused, though that kind is allowed, which is a 500 there.

    The classic: an HMAC with the public key, which everybody knows, as the secret.
    """
    config = keys_for(algorithm)
    site = make_site(JWT_DECODE_ALGORITHMS=allowed, **config)
    public = config.get("JWT_PUBLIC_KEY", KEY[::-1])
    for header in ({"alg": "HS256"}, {"alg": "HS256", "typ": "JWT", "kid": "x"}):
        for key in (public, public.strip(), public.encode().hex()):
            assert site.ask(**in_header(sign(header=header, key=key))).status in (422, 500)
    for unsigned in ("none", "None", "NONE", "nOnE", ""):
        for signature in ("", "AAAA"):
            token = sign(header={"alg": unsigned}, signature=signature)
            assert site.ask(**in_header(token)).status in (422, 500)
    families = {"RS256": "RSA", "PS256": "RSA", "ES256": "SECP256R1", "EdDSA": "Ed25519", "HS512": None, "ES384": None}
    for other, family in families.items():
        token = signed_with(other, family) if family else sign(header={"alg": other})
        # The same RSA key verifies both kinds of padding, if both are allowed.
        is_good = other == algorithm or (other == "PS256" and algorithm == "RS256" and allowed == MIXED)
        assert site.ask(**in_header(token)).status in ((200,) if is_good else (422, 500)), other


@each_site()
def test_key_by_callback(make_site: MakeSite) -> None:
    """
    The key is what a callback finds for the token; it sees the token before anything is verified.
    """
    seen: list[Any] = []
    private, public = key_pair("Ed25519")

    def setup(manager: Any, respond: Any) -> None:
        @manager.decode_key_loader  # type: ignore[untyped-decorator]  # of either side
        def find(header: dict[str, Any], claims: dict[str, Any]) -> Any:
            seen.append((header, claims))
            return {"ours": public}.get(header.get("kid", ""), key_pair("SECP256R1")[1])

        manager.encode_key_loader(lambda identity: private)

    site = make_site(setup, JWT_ALGORITHM="EdDSA")
    token = both_make(site, access(additional_headers={"kid": "ours"}))
    for side in site.sides:
        seen.clear()
        assert side.ask(**in_header(token)).status == 200
        assert seen == [({"alg": "EdDSA", "kid": "ours", "typ": "JWT"}, claims_of(token))]
    # A key of another kind is a 500 there.
    assert site.ask(**in_header(jwt.encode(claims(), private, "EdDSA", headers={"kid": "theirs"}))).status == 500
    for side in site.sides:
        seen.clear()
        assert side.ask(**in_header(sign({"any": "thing"}, {"alg": "none"}))).status in (422, 500)
        assert seen == [({"alg": "none"}, {"any": "thing"})]
        seen.clear()
        assert side.ask(**in_header("not.a.token")).status == 422
        assert seen == []


@each_site()
@pytest.mark.parametrize(
    ("callback", "status"),
    [
        pytest.param(lambda header, claims: KEY, 200, id="the key"),
        pytest.param(lambda header, claims: KEY.encode(), 200, id="bytes"),
        pytest.param(lambda header, claims: KEY[::-1], 422, id="another"),
        pytest.param(lambda header, claims: None, 500, id="nothing"),
        pytest.param(lambda header, claims: 5, 500, id="no key"),
        pytest.param(lambda header, claims: key_pair("RSA")[1], 500, id="a key of another kind"),
    ],
)
def test_key_found(make_site: MakeSite, callback: Any, status: int) -> None:
    """
    A token for which no key is found is refused.
    """
    site = make_site(lambda manager, respond: manager.decode_key_loader(callback))
    assert site.ask(**in_header(sign())).status == status
