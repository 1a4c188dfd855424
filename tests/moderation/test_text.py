"""The normalised view: disguises undone, real words untouched, a way back to the author's text, never more than linear work."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moderation.text
from moderation.disguises import cut_into_words
from moderation.text import MAX_COMBINING_RUN, normalise, problems


@pytest.mark.parametrize(
    ("written", "read"),
    [
        # Digits and symbols for letters.
        ("You are an 1d10t", "You are an idiot"),
        ("a$$h0le, sh1t!!!", "asshole, shit!!!"),
        # Starred words.
        ("a f*cking b**ch", "a fucking bitch"),
        # Spaced out, with several kinds of gap.
        ("i d i o t", "idiot"),
        ("you i.d.i.o.t", "you idiot"),
        ("f-u-c-k off", "fuck off"),
        ("y o u a r e s t u p i d", "you are stupid"),
        # Stretched.
        ("stuuuupid", "stupid"),
        ("sooooooo good", "soo good"),
        # Letters of other alphabets.
        ("уоu аrе stuрid", "you are stupid"),
        ("рlease", "please"),
        # Other forms of Latin letters.
        ("ｆｕｃｋ 𝓎𝑜𝓊 ⓓⓘⓔ", "fuck you die"),
        ("ᴅɪᴇ 🅳🅸🅴", "die DIE"),
        # Hidden characters and stacked marks.
        ("k\u200bi\u00adl\u2060l", "kill"),
        ("k\U000e0041ill", "kill"),
        ("\u202eidiot\u202c", "idiot"),
        ("f̷u̶c̴k̵", "fuck"),
        ("s" + "\u0301" * 25 + "hit", "shit"),
    ],
)
def test_a_disguise_is_undone(written: str, read: str) -> None:
    assert normalise(written).text.lower() == read.lower() or normalise(written).text == unicodedata.normalize("NFC", read)


@pytest.mark.parametrize(
    "text",
    [
        "Plain English, with commas; and (brackets) - as usual!",
        "b2b, 4x4, mp3, the A55 road, G20, 3d, 1984, H2O, 5*6*7",
        "U.S.A. and e.g. A B C D E",
        "*not* and **bold** and _this_",
        "Привет, как дела? Это Windows, а это VIPы.",
        "Καλημέρα, τι κάνεις;",
        "See Москва and сосо there",
        "Fußball, Straße, naïve café, Ærøskøbing",
        "नमस्ते दुनिया क्या हाल है",
        "שָׁלוֹם עֲלֵיכֶם",
        "السلام عليكم",
        "日本語です 한국어 안녕",
        "see https://sh1t.example/a55 and m0ron@mail.example",
        "The class assembled in Scunthorpe",
        "hmm, www, coool, 0x0010FFFF",
    ],
)
def test_real_text_is_left_alone(text: str) -> None:
    assert normalise(text).text == text
    assert normalise(text).disguised == 0


def test_a_word_joiner_that_a_language_needs_stays() -> None:
    assert normalise("می\u200cخواهم").text == "می\u200cخواهم"


def test_a_finding_is_marked_in_the_authors_text() -> None:
    body = "Well, you 1\u200bd10\u0301t!"
    view = normalise(body)
    start = view.text.index("idiot")
    first, last = view.to_original(start, start + len("idiot"))
    assert body[first:last] == "1\u200bd10\u0301t"


def test_disguised_words_are_counted() -> None:
    assert normalise("You 1d10t, уоu f*cking m.o.r.o.n, stuuupid and fine").disguised == 4


def test_an_inserted_space_maps_to_the_gap_it_came_from() -> None:
    body = "y o u a r e s t u p i d"
    view = normalise(body)
    start = view.text.index("stupid")
    assert body[slice(*view.to_original(start, start + 6))] == "s t u p i d"


interesting = st.text(
    st.sampled_from("aeiost1043$@*.- \n!zкоαﬁﷺ½⑩\u0301\u0489\u200b\u200d\u202e\ufe0f\U0001d4ef\U0001f600\U0001f171\u0e01\u1160")
    | st.characters(),
    max_size=60,
)


@given(interesting, st.integers(-5, 80), st.integers(-5, 80))
def test_offsets_always_stay_inside_the_authors_text(text: str, start: int, end: int) -> None:
    first, last = normalise(text).to_original(start, end)
    assert 0 <= first <= last <= len(text)


@given(interesting)
def test_later_characters_come_from_later_places(text: str) -> None:
    view = normalise(text)
    places = [view.to_original(index, index + 1) for index in range(len(view.text))]
    assert places == sorted(places)
    assert all(first < last for first, last in places)


@given(interesting)
def test_the_view_is_bounded(text: str) -> None:
    assert len(normalise(text).text) <= 5 * len(text)


HOSTILE = [
    "a" + "\u0301" * 99,
    "\ufdfa",
    "a ",
    "a.b-",
    "f*",
    "@a",
    "\u200b",
    "аb",
    "\U0001d4ef",
    "www.",
    "a!",
    "a@",
    "aaa ",
    "1",
    "a*b~",
    "k i l l ",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_work_in_proportion_to_its_length(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: characters given to `normalize` and letters given to the cutting of spaced words."""
    work = 0

    def counted_normalize(form: str, text: str) -> str:
        nonlocal work
        work += len(text) ** 2
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    def counted_cut(letters: str) -> list[str] | None:
        nonlocal work
        work += min(len(letters), 200)
        return cut_into_words(letters)

    monkeypatch.setattr(moderation.text, "normalize", counted_normalize)
    monkeypatch.setattr(moderation.text, "cut_into_words", counted_cut)
    text = (piece * 20_000)[:20_000]
    view = normalise(text)
    assert work <= 60 * len(text)
    assert len(view.text) <= 5 * len(text)


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("ab\x00c", "control-character", 2),
        ("\x1b[31m", "control-character", 0),
        ("a\ufffe", "noncharacter", 1),
        ("a\uffff", "noncharacter", 1),
        ("a\ud800b", "surrogate", 1),
        ("a" + "\u0301" * (MAX_COMBINING_RUN + 1), "combining-run", MAX_COMBINING_RUN + 1),
        ("", "empty", 0),
        (" \n\u200b\u2800\u3164", "empty", 0),
        ("x" * 20_001, "too-long", 20_000),
    ],
)
def test_a_text_that_cannot_be_accepted_is_refused_with_its_place(text: str, code: str, offset: int) -> None:
    (problem,) = problems(text)
    assert (problem.code, problem.offset) == (code, offset)


@pytest.mark.parametrize("text", ["a\tb\nc\r\n", "a" + "\u0301" * MAX_COMBINING_RUN, "x" * 20_000, "👩‍👩‍👧", "नमस्ते", "."])
def test_an_ordinary_text_is_accepted(text: str) -> None:
    assert problems(text) == []


def test_all_kinds_of_problems_are_told_at_once() -> None:
    assert [problem.code for problem in problems("\x00\ufffe\ud800" + "\u0301" * 40)] == [
        "control-character",
        "noncharacter",
        "surrogate",
        "combining-run",
    ]


ordinary = st.lists(
    st.sampled_from(
        ["the", "bridge,", "1diot", "sh1t!", "f*ck", "soooo", "(nooo)", "www.bbb.com", "a@b.co", "2019", "été", "-", "don't"]
    )
    | st.text(st.sampled_from("abz1$*@.,-!\n é"), max_size=8),
    max_size=8,
).map(" ".join)


@given(ordinary | interesting)
def test_no_word_that_could_be_a_disguise_is_passed_over_unread(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(moderation.text, "_ODD_TOKEN", moderation.text._TOKEN)
        every_word_read = normalise.__wrapped__(text)
    view = normalise.__wrapped__(text)
    assert (view.text, view.disguised) == (every_word_read.text, every_word_read.disguised)


@given(st.text(st.characters(), max_size=50))
def test_normalise_is_total(text: str) -> None:
    view = normalise(text)
    view.text.encode("utf-8", "strict")
