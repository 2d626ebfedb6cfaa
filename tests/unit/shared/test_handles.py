"""One written form for each handle, the library's own wherever it is not asked."""

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from shared.handles import canonical, telephone


def _asked(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    is_valid = phonenumbers.is_valid_number(parsed)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) if is_valid else number


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)), st.text("0123456789", min_size=3, max_size=12)
)
def test_a_plain_number_is_what_the_library_makes_of_it(country_code: int, national: str) -> None:
    number = f"+{country_code}{national}"

    assert telephone(number) == _asked(number)


@given(st.sampled_from(["tel", "mailto", "whatsapp", "wechat", "x"]), st.text(min_size=1))
def test_a_canonical_handle_stays_as_it_is(kind: str, value: str) -> None:
    once = canonical(f"{kind}:{value}")

    assert canonical(once) == once
