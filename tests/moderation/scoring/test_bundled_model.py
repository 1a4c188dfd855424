"""The model in the box: that it judges as a moderator would on plain cases, and stays within its means."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer, ScoringFailed

# (attribute, abusive, harmless in nearly the same words); none of these is a training template.
PAIRS = [
    (
        "toxicity",
        "You really are the dumbest person who ever wrote here, you moron.",
        "You really wrote the clearest comment here, you have my thanks.",
    ),
    ("insult", "What a pathetic little loser this reporter is.", "What a patient and careful reporter this is."),
    ("toxicity", "Shut your filthy mouth, you fat pig.", "Please shut the door, the pigs are out in the yard."),
    (
        "threat",
        "I am coming to your office tonight and I will stab you.",
        "I am coming to your office tonight and I will bring the papers.",
    ),
    ("threat", "Somebody should put a bullet in that judge's head.", "Somebody should put a question to that judge."),
    (
        "identity_attack",
        "Gypsies are filthy animals and should be thrown out of the country.",
        "Roma families have lived in this country for six centuries.",
    ),
    (
        "identity_attack",
        "Those Muslims are filthy scum, get rid of them all.",
        "Those Muslim families invited the whole street to dinner.",
    ),
    ("obscene", "What a fucking shitty piece of crap.", "What a rather disappointing piece of work."),
    ("toxicity", "Go and hang yourself, nobody would miss you.", "Go and see the exhibition, you would not regret it."),
    ("sexual_explicit", "Show me your tits and suck my cock, slut.", "The clinic screens for breast cancer on Tuesdays."),
]
CIVIL = [
    "The minister promised this in March and has done nothing; I am angry and I will vote against him.",
    "A drone struck the power station and killed two engineers, the ministry said on Monday.",
    "I am gay, I am Catholic, and I found the bishop's interview moving.",
    "Could somebody explain how the new pension formula works for part-time staff?",
    "My daughter is autistic and her teacher has been wonderful.",
    "This budget will hurt small shops. I think the council got it wrong.",
]
DISGUISES = {
    "leet": "Y0u 4r3 4 fuck1ng 1d10t",
    "lookalikes": "Y\u043eu \u0430re \u0430 fu\u0441king i\u0501i\u043et",
    "invisible": "You are a fuc\u200bking id\u200bi\u200bot",
    "spaced": "You are a f u c k i n g i d i o t",
    "stretched": "You are a fuuuuuucking idioooooot",
    "fullwidth": "\uff39\uff4f\uff55 are a \uff46\uff55\uff43\uff4b\uff49\uff4e\uff47 \uff49\uff44\uff49\uff4f\uff54",
    "bold": "You are a 𝐟𝐮𝐜𝐤𝐢𝐧𝐠 𝐢𝐝𝐢𝐨𝐭",
}


@pytest.mark.parametrize(("attribute", "abusive", "harmless"), PAIRS)
def test_an_abusive_sentence_scores_far_above_its_harmless_twin(
    bundled: Scorer, attribute: str, abusive: str, harmless: str
) -> None:
    high, low = (scores[attribute] for scores in bundled.score([abusive, harmless]))
    assert high / (1 - high) > 3 * low / (1 - low)
    assert high > 0.1


@pytest.mark.parametrize("text", CIVIL)
def test_a_civil_comment_stays_below_every_threshold_of_the_standard_policy(bundled: Scorer, text: str) -> None:
    (scores,) = bundled.score([text])
    assert scores["toxicity"] < 0.4
    assert scores["threat"] < 0.15
    assert scores["identity_attack"] < 0.25


@pytest.mark.parametrize("disguised", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_disguise_does_not_hide_an_insult(bundled: Scorer, disguised: str) -> None:
    plain, hidden = (scores["toxicity"] for scores in bundled.score(["You are a fucking idiot", disguised]))
    assert hidden > 0.5 * plain


def test_windows_cover_a_long_text_and_the_highest_score_counts_wherever_the_abuse_stands(bundled: OnnxScorer) -> None:
    calm = "The library opens at nine and the garden is quiet. "
    abuse = "You are all worthless idiots. "
    places = [0, 40, 79]
    texts = [calm * place + abuse + calm * (80 - place) for place in places]
    scores = [one["toxicity"] for one in bundled.score([*texts, calm * 80])]
    assert min(scores[:3]) > 3 * scores[3]
    windows = bundled._windows(bundled._tokens(calm * 80))
    assert {len(window) for window in windows} == {bundled._window}
    tokens = bundled._tokenizer.encode(calm * 80, add_special_tokens=False).ids
    assert windows[0][1:-1] == tokens[: bundled._window - 2]
    assert windows[-1][1:-1] == tokens[-(bundled._window - 2) :]


def test_a_calm_text_is_settled_early_and_an_abusive_one_is_read_to_the_end(bundled: OnnxScorer) -> None:
    calm, abuse = "The library opens at nine and the garden is quiet.", "You are a worthless idiot and everybody hates you."
    early, late = bundled.logits([calm, abuse]), bundled.logits([calm, abuse], early=False)
    assert not np.array_equal(early[0], late[0])
    assert np.array_equal(early[1], late[1])
    assert (early[0] < bundled._settled).all()


def test_being_settled_early_changes_no_verdict_of_a_plain_pair(bundled: OnnxScorer) -> None:
    texts = [text for pair in PAIRS for text in pair[1:]] + CIVIL
    early, late = bundled.logits(texts), bundled.logits(texts, early=False)
    for name, column, curve in zip(bundled._attributes, bundled._outputs, bundled._curves, strict=True):
        threshold = {"toxicity": 0.4, "threat": 0.15, "sexual_explicit": 0.8}.get(name, 0.25)
        assert np.array_equal(curve(early[:, column]) >= threshold, curve(late[:, column]) >= threshold)


def test_a_value_that_is_not_a_number_is_left_out(bundled: OnnxScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """A runtime whose first output is spoilt, as by a damaged file."""

        def __init__(self) -> None:
            self._real = bundled._session

        def get_outputs(self) -> object:
            return self._real.get_outputs()

        def run(self, *arguments: object) -> list[np.ndarray]:
            (outputs,) = self._real.run(*arguments)
            outputs[:, 0] = np.nan
            return [outputs]

    monkeypatch.setattr(bundled, "_session", Broken())
    (scores,) = bundled.score(["Good morning"])
    assert "toxicity" not in scores
    assert set(scores) == set(bundled.attributes) - {"toxicity"}


def test_a_failing_runtime_is_a_scoring_failure(bundled: OnnxScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def get_outputs(self) -> object:
            return real.get_outputs()

        def run(self, *arguments: object) -> object:
            raise RuntimeError("out of memory while reading 'Good morning'")

    real = bundled._session
    monkeypatch.setattr(bundled, "_session", Failing())
    with pytest.raises(ScoringFailed) as failure:
        bundled.score(["Good morning"])
    assert "morning" not in str(failure.value)


def test_the_estimate_is_not_below_the_windows_that_a_text_needs(bundled: OnnxScorer) -> None:
    for text in ("word " * 2000, "字" * 900, "Short.", "antidisestablishmentarianism " * 300):
        windows = bundled._windows(bundled._tokens(text))
        per_token = (bundled.estimate_ms("x" * 250) - bundled.estimate_ms("")) / 100
        assert bundled.estimate_ms(text) >= per_token * sum(map(len, windows)) * 0.95


def test_the_scorer_runs_on_one_thread_loads_in_a_second_and_needs_at_most_250_mb() -> None:
    program = """
import os, sys, time
import onnxruntime
idle = len(os.listdir("/proc/self/task"))  # the runtime keeps a thread of its own from its import on
before = time.monotonic()
from moderation.scoring import catalog
catalog.bundled(), catalog.spam()
loading = time.monotonic() - before
catalog.bundled().score(["A long calm text about the town and its library. " * 120, "Hello"])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(loading, int(status["VmRSS"].split()[0]) // 1024, len(os.listdir("/proc/self/task")) - idle)
print(sorted(set(sys.modules) & {"torch", "sklearn", "transformers", "scipy", "pandas"}))
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("reads Linux's own accounts of a process")
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # numpy's own pool is not the scorer's doing
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    figures, modules = done.stdout.splitlines()
    loading, megabytes, more_threads = figures.split()
    assert modules == "[]"
    assert float(loading) < 3  # on a busy test machine; alone it takes half a second
    assert int(megabytes) <= 250
    assert int(more_threads) == 0


def test_the_model_file_is_small_enough_for_the_repository(bundled_folder: Path) -> None:
    assert (bundled_folder / "toxicity.onnx").stat().st_size < 25_000_000
    assert (bundled_folder / "spam.npz").stat().st_size < 2_000_000


@pytest.mark.detoxify
def test_detoxify_itself_gives_the_scores_that_we_give_before_calibration(bundled: OnnxScorer, detoxify_scorer: Scorer) -> None:
    texts = [text for pair in PAIRS for text in pair[1:]] + CIVIL
    ours = 1 / (1 + np.exp(-bundled.logits(texts, early=False, pairs=False)))
    theirs = np.array([[scores[name] for name in detoxify_scorer.attributes] for scores in detoxify_scorer.score(texts)])
    assert detoxify_scorer.attributes == bundled.attributes
    # Ours rounds activations to 8 bits as well; the weights are the same.
    assert np.abs(ours - theirs).max() < 0.12
    assert np.abs(ours - theirs).mean() < 0.015
    assert np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1] > 0.995
