import pytest

from heartbeat.email_address import email_address


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "dana.o'neil+marts@bank.example",
        "žemaitė@bankas.lt",
        '"quoted"@bank.example',
        f"{'x' * 64}@bank.example",
    ],
)
def test_an_address_is_kept_as_it_is(text: str) -> None:
    assert email_address(f"  {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dana",
        "@bank.example",
        "dana@",
        "dana@bank@example",
        "da na@bank.example",
        "dana@bank..example",
        "dana@.example",
        "dana@bank.example\nBcc: all",
        f"{'x' * 65}@bank.example",
        f"dana@{'x' * 250}",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no e-mail address"):
        email_address(text)
