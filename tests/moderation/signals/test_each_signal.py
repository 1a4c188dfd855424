"""Each signal by itself: what counts, what does not, and where the line is."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.signals import author, duplicates, flood, intent, language, links, personal_data, reports, words
from moderation.signals.duplicates import fingerprint, is_near
from moderation.signals.facts import AuthorFacts, HistoryFacts, Revision
from moderation.signals.patterns import PatternRefused, compile_pattern
from moderation.signals.quotation import own_words
from moderation.signals.words import Word, WordList, WordListError
from moderation.text import normalise

NOTHING = frozenset[str]()


class TestLinks:
    @pytest.mark.parametrize(
        ("text", "hosts"),
        [
            ("see https://a.example/x and http://www.b.example", ["a.example", "b.example"]),
            ("bare foo.com counts, and foo.com/again", ["foo.com", "foo.com"]),
            ("http : //spam.example here", ["spam.example"]),
            ("https://user:word@evil.example:8080/x?y#z", ["evil.example"]),
            ("under word-like endings only with a path: go.to/x", ["go.to"]),
            ("münchen.de", ["münchen.de"]),
            ("http://1.2.3.4/x and [::1] and http://[::1]/", ["1.2.3.4", "::1"]),
            # Not links: a missing space, file names, abbreviations, mail addresses.
            ("I said so.it was fine", []),
            ("notes.txt, Node.js, e.g.this", []),
            ("mail jo@foo.com please", []),
        ],
    )
    def test_a_link_is_found_with_and_without_a_scheme(self, text: str, hosts: list[str]) -> None:
        assert links.hosts(text) == hosts

    def test_links_to_the_site_itself_are_not_counted(self) -> None:
        found = links.measure(
            "https://blog.example/1 https://www.blog.example/2 x.com", None, frozenset({"blog.example"}), NOTHING
        )
        assert found.links == 1

    @pytest.mark.parametrize(
        ("text", "signal"),
        [
            ("http://bit.ly/x", "link_shortener"),
            ("http://10.0.0.1/x", "link_bare_ip"),
            ("http://3232235777/", "link_bare_ip"),
            ("http://xn--mnchen-3ya.de", "link_punycode"),
            ("http://gооgle.com", "link_punycode"),
            ("http://sub.bad.example/", "link_rejected_before"),
        ],
    )
    def test_a_link_that_hides_where_it_leads_is_told(self, text: str, signal: str) -> None:
        rejected = frozenset({"bad.example"})
        assert getattr(links.measure(text, None, NOTHING, rejected), signal) is True
        assert getattr(links.measure("http://plain.example/", None, NOTHING, rejected), signal) is False

    def test_the_authors_own_address_is_looked_at_but_not_counted(self) -> None:
        found = links.measure("hello", "https://bit.ly/me", NOTHING, NOTHING)
        assert (found.links, found.link_shortener) == (0, True)

    def test_a_host_is_not_taken_for_one_that_ends_the_same_way(self) -> None:
        assert not links.measure("http://notbad.example/", None, NOTHING, frozenset({"bad.example"})).link_rejected_before

    def test_counting_stops(self) -> None:
        assert links.measure("foo.com " * 5000, None, NOTHING, NOTHING).links == links.MAX_LINKS


class TestWords:
    @staticmethod
    def found(entry: str, text: str, *, pattern: bool = False) -> int:
        return words.measure(normalise(text), WordList.compile([Word(text=entry, pattern=pattern)]), WordList()).banned_words

    @pytest.mark.parametrize(
        ("entry", "text", "count"),
        [
            ("ass", "what an ass!", 1),
            ("ass", "first class, embassy, ass_et", 1),
            ("ass", "class assembly", 0),
            ("idiot", "you 1d10t", 1),
            ("idiot", "you i d i o t", 1),
            ("Idiot", "IDIOT", 1),
            ("buy now", "please BUY\u200b now", 1),
            ("fück", "FÜCK dich", 1),
            ("日本", "私は日本人です", 1),
            ("idiot", "idiot idiot idiot", 1),
        ],
    )
    def test_words_are_found_at_word_boundaries_through_disguises(self, entry: str, text: str, count: int) -> None:
        assert self.found(entry, text) == count

    def test_operators_patterns_run_on_re2(self) -> None:
        assert self.found(r"\bcheap\s+(pills|watches)\b", "Cheap   watches", pattern=True) == 1
        assert self.found("(a+)+$", "a" * 50_000 + "!", pattern=True) == 0

    @pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "a{1001}", "("])
    def test_a_pattern_that_re2_refuses_is_an_error_with_its_entry(self, pattern: str) -> None:
        with pytest.raises(WordListError, match="entry 2: RE2 cannot use this pattern") as caught:
            WordList.compile([Word(text="fine"), Word(text=pattern, pattern=True)])
        assert caught.value.entry == 1

    @pytest.mark.parametrize("word", [Word(text=" "), Word(text="x" * 201), Word(text="x", reason=0), Word(text="x", reason=10)])
    def test_an_entry_that_makes_no_sense_is_refused(self, word: Word) -> None:
        with pytest.raises(WordListError):
            WordList.compile([word])

    def test_a_banned_word_brings_its_reason_and_its_place(self) -> None:
        listed = WordList.compile([Word(text="later"), Word(text="v1agra", reason=5), Word(text="viagra", reason=5)])
        body = "Buy v\u200b1agra!"
        (found,) = listed.find(normalise(body))
        assert body[found.start : found.end] == "v\u200b1agra"
        assert words.measure(normalise(body), listed, WordList()).banned_word_reason == 5

    def test_a_compiled_list_may_be_read_by_many_threads(self) -> None:
        listed = WordList.compile([Word(text=f"word{number}") for number in range(500)])
        view = normalise(" ".join(f"word{number}" for number in range(0, 500, 5)))
        with ThreadPoolExecutor(8) as pool:
            assert {len(found) for found in pool.map(lambda _: listed.find(view), range(200))} == {100}

    def test_a_refused_pattern_says_why(self) -> None:
        with pytest.raises(PatternRefused, match="invalid perl operator"):
            compile_pattern("(?=a)")


class TestDuplicates:
    TEXT = (
        "Great deals on cheap replica watches at our store, visit us today and save a lot of money on every order you place here"
    )

    def test_capitals_spaces_and_signs_do_not_make_another_text(self) -> None:
        assert fingerprint("Great  deals, HERE!").exact == fingerprint("great deals here").exact

    @pytest.mark.parametrize(
        "copy",
        [
            TEXT.replace("today", "now"),
            TEXT + " John",
            TEXT.replace("watches", "w\u200batches"),
            TEXT.replace("a lot of", "some"),
        ],
    )
    def test_a_text_with_a_few_words_changed_is_a_near_copy(self, copy: str) -> None:
        assert is_near(fingerprint(self.TEXT), fingerprint(copy))

    def test_different_comments_are_not_near_copies(self) -> None:
        texts = [
            "I think the council should reconsider the plan for the new bridge over the river",
            "The council should have thought about the bridge long before the elections",
            "Why does nobody speak about the cost of heating in these old school buildings",
            self.TEXT,
        ]
        prints = [fingerprint(text) for text in texts]
        assert not any(is_near(one, other) for index, one in enumerate(prints) for other in prints[:index])

    def test_fingerprints_under_different_keys_have_nothing_in_common(self) -> None:
        assert not is_near(fingerprint(self.TEXT, key=b"one"), fingerprint(self.TEXT, key=b"two"))

    @given(st.text(st.characters(), max_size=100))
    def test_a_fingerprint_is_eight_bands_of_signed_64_bits(self, text: str) -> None:
        print_ = fingerprint(text)
        assert len(print_.bands) == duplicates.BANDS
        assert all(-(2**63) <= number < 2**63 for number in (print_.exact, *print_.bands))
        assert print_ == fingerprint(text)

    def test_the_third_author_of_a_text_makes_three(self) -> None:
        assert duplicates.measure(normalise(self.TEXT), HistoryFacts(near_copies_by_others=2)) == 3

    @pytest.mark.parametrize(
        "text", ["Thanks!", "Great article, thank you so much for sharing this with us all", "I agree with every word"]
    )
    def test_short_texts_and_thanks_are_said_by_many(self, text: str) -> None:
        assert duplicates.measure(normalise(text), HistoryFacts(near_copies_by_others=9)) == 0


class TestAuthor:
    @pytest.mark.parametrize(
        ("facts", "newcomer", "trusted"),
        [
            (AuthorFacts(identity="verified", approved=0), True, False),
            (AuthorFacts(identity="verified", approved=1), True, False),
            (AuthorFacts(identity="verified", approved=2), False, False),
            (AuthorFacts(identity="verified", approved=19), False, False),
            (AuthorFacts(identity="verified", approved=20), False, True),
            # 5 % rejected is too much: 1 in 20, 2 in 40.
            (AuthorFacts(identity="verified", approved=20, rejected=1), False, True),
            (AuthorFacts(identity="verified", approved=20, rejected=2), False, False),
            (AuthorFacts(identity="verified", approved=95, rejected=5), False, False),
            # An address that anybody can type earns nothing.
            (AuthorFacts(identity="claimed", approved=500), True, False),
            (AuthorFacts(identity="anonymous", approved=500), True, False),
        ],
    )
    def test_trust_is_earned_under_a_verified_identity_only(self, facts: AuthorFacts, *, newcomer: bool, trusted: bool) -> None:
        found = author.measure(facts, None, NOTHING)
        assert (found.newcomer, found.trusted) == (newcomer, trusted)

    def test_a_claimed_identity_counts_against_its_author(self) -> None:
        found = author.measure(AuthorFacts(identity="claimed", approved=7, rejected=3), None, NOTHING)
        assert (found.author_approved, found.author_rejected) == (0, 3)

    @pytest.mark.parametrize("name", ["Anna Editor", "ANNA  editor", "Аnna Editor", "anna_editor", "a\u200bnna editor"])
    def test_a_reserved_name_is_known_in_disguise(self, name: str) -> None:
        reserved = frozenset({author.name_key("Anna Editor")})
        assert author.measure(AuthorFacts(identity="claimed"), name, reserved).reserved_name
        assert not author.measure(AuthorFacts(identity="verified"), name, reserved).reserved_name

    def test_another_name_is_free(self) -> None:
        assert not author.measure(AuthorFacts(identity="anonymous"), "Hanna", frozenset({author.name_key("Anna")})).reserved_name


class TestFloodIntentReports:
    def test_this_comment_is_among_the_recent_ones(self) -> None:
        assert flood.measure(AuthorFacts(identity="anonymous", recent=0)) == 1
        assert flood.measure(AuthorFacts(identity="anonymous", recent=6)) == 6

    @pytest.mark.parametrize(("field", "filled"), [(None, None), ("", False), ("  ", False), ("http://x", True)])
    def test_an_untouched_honeypot_is_not_a_missing_one(self, *, field: str | None, filled: bool | None) -> None:
        assert intent.measure(Revision(body="x", honeypot=field)).honeypot is filled

    @pytest.mark.parametrize(
        ("seconds", "kept"), [(None, None), (1.5, 1.5), (-3.0, None), (float("nan"), None), (float("inf"), None)]
    )
    def test_a_time_that_cannot_be_is_no_time(self, seconds: float | None, kept: float | None) -> None:
        assert intent.measure(Revision(body="x", seconds_to_submit=seconds)).seconds_to_submit == kept

    def test_reports_and_earlier_decisions_are_passed_on(self) -> None:
        found = reports.measure(HistoryFacts(reports=2, human_rejected_before=True))
        assert (found.reports, found.human_rejected_before, found.human_approved) == (2, True, False)


class TestLanguage:
    @pytest.mark.parametrize(
        ("text", "language_found", "served"),
        [
            ("This is a fairly normal comment about the trains in our town", "en", True),
            ("Das ist doch alles gelogen und kein Mensch glaubt es mehr", "de", False),
            ("C'est vraiment n'importe quoi, cet article est une honte", "fr", False),
            ("Привет, как дела", "ru", False),
            ("これはとても良い記事ですね", "ja", False),
            # Short, slangy, nameless or wordless: the site's own.
            ("lol ok", "en", True),
            ("Danke schön", "en", True),
            ("thx 4 sharing bro nice1", "en", True),
            ("Trump Biden Obama Clinton", "en", True),
            ("👍👍👍 12345", "en", True),
            ("", "en", True),
            # Disguised English is still English.
            ("уоu аrе а vеrу stuрid реrsоn indееd", "en", True),
            # A few foreign letters in a comment do not make it foreign.
            ("The Greek word λόγος means more than just word, I think", "en", True),
        ],
    )
    def test_only_a_confident_other_language_is_not_served(self, text: str, language_found: str, *, served: bool) -> None:
        found = language.measure(normalise(text).text, "en", ["en"])
        assert (found.language, found.language_served) == (language_found, served)

    def test_a_language_that_the_scorer_knows_is_served(self) -> None:
        text = "Das ist doch alles gelogen und kein Mensch glaubt es mehr"
        assert language.measure(text, "en-GB", ["en", "de-DE"]).language_served

    def test_a_site_in_another_script_is_at_home_in_it(self) -> None:
        found = language.measure("Привет, как дела, это обычный комментарий о поездах", "ru", ["ru"])
        assert (found.language, found.language_served) == ("ru", True)

    def test_a_site_in_a_language_that_cannot_be_checked_is_told_for_clear_texts(self) -> None:
        found = language.measure("Das ist doch alles gelogen und kein Mensch glaubt es mehr", "de", ["en"])
        assert (found.language, found.language_served) == ("de", False)


class TestPersonalData:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("Call 020 7946 0018", "phones"),
            ("call +49 30 901820 now", "phones"),
            ("jo@mail.example is his", "emails"),
            ("j.o [at] mail [dot] example", "emails"),
            ("DE89 3704 0044 0532 0130 00", "ibans"),
            ("GB82WEST12345698765432", "ibans"),
            ("He lives at 12 Elm Street", "street_addresses"),
            ("221b Old Baker St.", "street_addresses"),
            ("Sie wohnt in der Lindenstraße 5", "street_addresses"),
            ("12 rue de la Paix", "street_addresses"),
            ("au 3 bis avenue Foch", "street_addresses"),
            ("Calle Mayor 5", "street_addresses"),
            ("Via Roma, 7", "street_addresses"),
        ],
    )
    def test_details_that_could_hurt_somebody_are_found(self, text: str, kind: str) -> None:
        found = personal_data.measure(text, "GB", NOTHING)
        assert (getattr(found, kind), found.personal_data) == (1, 1)

    @pytest.mark.parametrize(
        "text",
        [
            "In 2020-2021 we spent 1,234,567 on it",
            "on 24.11.2024 at 12:30",
            "3.14159265358979 and 4111 1111 1111 1111",
            "https://social.example/status/02079460018",
            "DE89 3704 0044 0532 0130 01",
            "Wall Street in 2008 was 10 times worse",
            "unterwegs 5 Stunden",
            "in step 1 place as many barriers as you can",
            "signed, 62.252.234.27",
            "write to editor@blog.example",
        ],
    )
    def test_prices_dates_and_the_sites_own_address_are_not(self, text: str) -> None:
        assert personal_data.measure(text, "GB", frozenset({"blog.example"})).personal_data == 0


class TestQuotation:
    POST = "The mayor says that all cyclists are idiots and must go"

    def test_twenty_verbatim_characters_are_a_quotation(self) -> None:
        body = "The mayor says that ALL CYCLISTS are idiots? I could not disagree more."
        found = own_words(body, [self.POST])
        assert [body[slice(*span)] for span in found.quoted] == ["The mayor says that ALL CYCLISTS are idiots"]
        assert found.apart
        assert "idiots" not in found.text
        assert "I could not disagree more." in found.text
        assert 0.5 < found.quoted_share < 0.8

    def test_quotation_marks_around_words_found_nowhere_exempt_nothing(self) -> None:
        found = own_words('"You are all complete idiots and should leave" is what I say', [self.POST])
        assert (found.quoted, found.quoted_share, found.apart) == ((), 0.0, False)

    def test_fewer_than_twenty_characters_are_no_quotation(self) -> None:
        assert own_words("all cyclists are bad and you know it", [self.POST]).quoted == ()

    @pytest.mark.parametrize("body", [POST, POST + " Yes!"])
    def test_where_no_sentence_of_their_own_is_left_everything_is_scored(self, body: str) -> None:
        found = own_words(body, [self.POST])
        assert (found.text, found.apart) == (body, False)
        assert found.quoted

    def test_half_a_word_is_not_quoted(self) -> None:
        body = "xxthe mayor says that all cyclists are idiyy, so what is that, dear friends"
        (span,) = own_words(body, [self.POST]).quoted
        assert body[slice(*span)] == "mayor says that all cyclists are"

    @given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=2))
    def test_quotations_are_in_order_and_inside_the_body(self, body: str, sources: list[str]) -> None:
        found = own_words(body + "".join(sources), sources)
        flat = [place for span in found.quoted for place in span]
        assert flat == sorted(flat)
        assert all(0 <= place <= len(body + "".join(sources)) for place in flat)
        assert 0.0 <= found.quoted_share <= 1.0
