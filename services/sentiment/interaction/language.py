"""Which language a text is in: Chinese, English, or other; scripts first, then function words."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.contracts.enriched import TextLanguage

ZH, EN, OTHER = range(3)
LANGUAGE_NAMES: Final[tuple[TextLanguage, ...]] = ("zh", "en", "other")


def language_of(han: int, latin: int, accented: int, foreign: int, english_words: int, other_words: int) -> int:
    """Return the language from counts of letters by script and of function words.

    A text with no letters at all (digits, emoji) is OTHER; the scorer still reads its symbols. Latin text counts as
    English unless it shows more foreign function words than English ones: slang and names carry no function words.
    """
    letters = han + latin + accented + foreign
    if letters == 0 or foreign * 4 > letters:
        return OTHER
    # Latin letters come about five to a word, Han one or two.
    if han * 3 >= latin + accented:
        return ZH
    if (other_words > english_words and other_words >= 2) or (accented * 12 > latin and english_words == 0):
        return OTHER
    return EN


def languages_of(scripts: NDArray[np.int32], word_counts: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return `language_of` for every text.

    `scripts` has the rows han, latin, accented, foreign; `word_counts` has English and foreign function words.
    """
    han, latin, accented, foreign = scripts
    english, other = word_counts
    western = latin + accented
    letters = han + western + foreign
    # ZH or EN.
    languages: NDArray[np.int8] = (han * 3 < western).astype(np.int8)
    is_other = (letters == 0) | (foreign * 4 > letters)
    if other.any() or accented.any():
        is_foreign = ((other > english) & (other >= 2)) | ((accented * 12 > latin) & (english == 0))
        is_other |= is_foreign & (languages == EN)
    languages[is_other] = OTHER
    return languages
