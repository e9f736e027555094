"""The page on which a user consents, and the address it leads back to."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2.api import authorization_url, parse_redirect
from enlighten_async.errors import InputError
from tests.effort import examples

PAGE = "https://enlighten.enphaseenergy.com/app_user_auth/new"
VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


def test_the_page() -> None:
    """With and without a way back."""
    assert authorization_url("1409611733144") == f"{PAGE}?app_id=1409611733144"
    assert authorization_url(1409611733144) == f"{PAGE}?app_id=1409611733144"
    assert (
        authorization_url("14", redirect="https://example.com/back?a=1&b=2#c")
        == f"{PAGE}?app_id=14&redirect=https%3A%2F%2Fexample.com%2Fback%3Fa%3D1%26b%3D2%23c"
    )


@examples(200)
@given(app_id=VISIBLE, query=st.text())
def test_the_page_is_told_what_was_given(app_id: str, query: str) -> None:
    """Whatever characters it has."""
    redirect = f"https://example.com/back?state={quote(query)}&x=ü"
    url = authorization_url(app_id, redirect=redirect)
    assert url.isascii()
    assert parse_qs(urlsplit(url).query) == {"app_id": [app_id], "redirect": [redirect]}


@pytest.mark.parametrize("app_id", ["", " ", "a b", "ä", "1\n", True, None])
def test_what_is_no_application_is_refused(app_id: Any) -> None:
    """Before anybody is sent to a page that cannot be."""
    with pytest.raises(InputError, match="app_id must be"):
        authorization_url(app_id)


@pytest.mark.parametrize(
    "redirect", ["", "/back", "example.com", "ftp://a/b", "https://", "http://[", 5, b"x"]
)
def test_what_leads_nowhere_is_refused(redirect: Any) -> None:
    """The user would not come back."""
    with pytest.raises(InputError, match="redirect must be"):
        authorization_url("14", redirect=redirect)


@examples(200)
@given(user_id=VISIBLE, before=st.booleans(), host=st.sampled_from(["", "https://example.com"]))
def test_the_user_id_comes_back(user_id: str, host: str, *, before: bool) -> None:
    """Beside other parameters, from a whole address or what a web framework has of it."""
    said = f"user_id={quote(user_id, safe='')}"
    query = f"{said}&state=5" if before else f"state=&{said}"
    assert parse_redirect(f"{host}/back?{query}#end") == user_id


def test_a_user_id_that_is_said_twice_is_one() -> None:
    """If it is the same."""
    assert parse_redirect("/back?user_id=4d0a&user_id=4d0a") == "4d0a"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.com/back",
        "https://example.com/back?user=4d6a",
        "https://example.com/back?user_id=",
        "https://example.com/back#user_id=4d6a",
        "https://example.com/user_id=4d6a",
        "/back?user_id=4d6a&user_id=4d6b",
        "/back?user_id=4d6a%20",
        "/back?user_id=4d6a%0A",
        "/back?user_id=4d6a%C3%A4",
        "http://[4d6a",
        None,
        b"/back?user_id=4d6a",
    ],
)
def test_without_one_user_id_it_is_refused(url: Any) -> None:
    """Without showing the address, which may hold one."""
    with pytest.raises(InputError) as caught:
        parse_redirect(url)
    assert "4d6a" not in str(caught.value)
    assert caught.value.__cause__ is None
