import pytest

from stream.genesys.oauth_clients import OAuthClient, oauth_clients
from stream.settings import Secret, WrongSettingError


def test_one_client_is_taken_as_it_stands_commas_in_its_secret_included() -> None:
    assert oauth_clients("id", Secret("a,b")) == (OAuthClient("id", Secret("a,b")),)


def test_several_clients_are_paired_in_order() -> None:
    pairs = oauth_clients("one, two,three", Secret("1,2, 3"))
    assert [(client.id, client.secret.reveal()) for client in pairs] == [("one", "1"), ("two", "2"), ("three", "3")]


@pytest.mark.parametrize("secrets", ["hush", "hush,", ",hush", "hush,hush,hush", ""])
def test_a_secret_too_many_or_too_few_is_said_without_any_of_them(secrets: str) -> None:
    with pytest.raises(WrongSettingError, match=r"GENESYS_CLIENT_SECRET.*2 secrets") as wrong:
        oauth_clients("one,two", Secret(secrets))
    assert "hush" not in str(wrong.value)


@pytest.mark.parametrize("ids", ["one,", ",", "one,one", "one,,two"])
def test_a_client_twice_or_without_a_name_is_refused(ids: str) -> None:
    with pytest.raises(WrongSettingError, match="GENESYS_CLIENT_ID"):
        oauth_clients(ids, Secret("1,2"))


def test_no_secret_is_shown_by_accident() -> None:
    assert "hush" not in repr(oauth_clients("one,two", Secret("hush,hush")))
