"""Starting safely: what another policy would have done with the comments that people decided, rule by rule.

A new site runs `watch`: people decide everything, and beside each decision stands what `standard` would have said. Here the two
are compared, so that somebody can see the very comments before a machine gets a say. The stored ruling is used where the other
policy is still the same; where it was changed since, its rules are asked again with the stored signals, which costs 0.1 ms each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation import signals
from moderation.models import Assessment, Comment, Decision, Revision, Subject
from moderation.policy.evaluate import evaluate
from moderation.policy.shipped import DEFAULT
from moderation.policy.verdict import Verdict
from moderation.services import policies
from moderation.services.shares import BY_PEOPLE, Share, share

ENOUGH = 200
"""Decisions after which the comparison says something."""
MOST = 2000
"""Newest decisions that are compared."""
WITHIN = timedelta(days=90)
STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """What one rule would have held or rejected: ``approved`` is the part of it that people let through."""

    rule: str
    approved: Share
    rejected: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """People's decisions beside a policy's; each number has its comments.

    ``missed`` would have been published though people rejected them, ``held`` held and ``refused`` rejected though people
    approved them.
    """

    policy: str
    watching: bool
    """The policy only watches: switching it on is what there is to offer."""
    back: str | None
    """The policy to go back to where it is in force."""
    agreed: Share
    missed: Share
    held: Share
    refused: Share
    rules: tuple[RuleTrial, ...]
    reasons: tuple[tuple[int, Share], ...]
    """What people rejected and the policy would have published, by their reason."""

    @property
    def decided(self) -> int:
        """Decisions compared."""
        return self.agreed.whole

    def comments_behind(self, name: str) -> tuple[UUID, ...] | None:
        """Return the comments of a number: ``agreed``, ``missed``, ``held``, ``refused``, ``approved:RULE``, ``rejected:RULE``
        or ``reason:KEY``; None for another name.
        """
        named: dict[str, Share] = {"agreed": self.agreed, "missed": self.missed, "held": self.held, "refused": self.refused}
        for found in self.rules:
            named |= {f"approved:{found.rule}": found.approved, f"rejected:{found.rule}": found.rejected}
        named |= {f"reason:{reason}": found for reason, found in self.reasons}
        return named[name].comments if name in named else None

    @property
    def needed(self) -> int:
        """Decisions after which the comparison says something."""
        return ENOUGH

    @property
    def enough(self) -> bool:
        """Whether there are so many that they say something."""
        return self.decided >= ENOUGH


@dataclass(frozen=True, slots=True)
class _Pair:
    comment_id: UUID
    human: str
    reason: int | None
    machine: str
    rules: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Holding what a person rejects is as it should be; so is publishing what a person approves."""
        return (self.human == Verdict.APPROVE) == (self.machine == Verdict.APPROVE)


def trial(session: Session, site_id: UUID, *, now: datetime) -> Trial:
    """Compare the newest decisions of people with the policy that watches, else with the one in force. Raises NotFound."""
    in_force = policies.in_force(session, site_id)
    name = in_force.policy.shadow or in_force.policy.name
    version = policies.find_version(session, site_id, Subject.POLICY, name)
    label = policies.label(version)
    pairs = list(_pairs(session, site_id, label, since=now - WITHIN))
    held = [pair for pair in pairs if pair.machine != Verdict.APPROVE]
    names = sorted({rule for pair in held for rule in pair.rules})
    by_rule = [(rule, [pair for pair in held if rule in pair.rules]) for rule in names]
    missed = [pair for pair in pairs if pair.machine == Verdict.APPROVE and pair.human == Verdict.REJECT]
    return Trial(
        policy=label,
        watching=in_force.policy.shadow is not None,
        back=_before(session, site_id) if in_force.policy.shadow is None else None,
        agreed=share((pair.comment_id, pair.agrees) for pair in pairs),
        missed=share((pair.comment_id, pair in missed) for pair in pairs),
        held=share((pair.comment_id, pair.machine == Verdict.FLAG and pair.human == Verdict.APPROVE) for pair in pairs),
        refused=share((pair.comment_id, pair.machine == Verdict.REJECT and pair.human == Verdict.APPROVE) for pair in pairs),
        rules=tuple(
            RuleTrial(
                rule,
                share((pair.comment_id, pair.human == Verdict.APPROVE) for pair in found),
                share((pair.comment_id, pair.human == Verdict.REJECT) for pair in found),
            )
            for rule, found in sorted(by_rule, key=lambda item: -len(item[1]))
        ),
        reasons=tuple(
            (reason, share((pair.comment_id, pair.reason == reason) for pair in missed))
            for reason in sorted({pair.reason for pair in missed if pair.reason is not None})
        ),
    )


def _pairs(session: Session, site_id: UUID, label: str, *, since: datetime) -> Iterator[_Pair]:
    """Yield each comment whose newest decision is a person's, with what the policy says of the revision decided."""
    policy = policies.by_label(session, site_id, label)
    rows = session.execute(
        select(Decision.comment_id, Decision.verdict, Decision.reason, Assessment)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.decision_seq == Decision.seq))
        .join(Revision, and_(Revision.comment_id == Decision.comment_id, Revision.number == Decision.revision))
        .join(
            Assessment,
            and_(
                Assessment.site_id == Decision.site_id,
                Assessment.comment_id == Decision.comment_id,
                Assessment.revision_id == Revision.id,
            ),
        )
        .where(
            Decision.site_id == site_id,
            BY_PEOPLE,
            Decision.undoes.is_(None),
            Decision.created_at >= since,
        )
        .order_by(Decision.created_at.desc(), Assessment.mode.desc())
        .limit(2 * MOST)
    )
    seen: set[UUID] = set()
    for comment_id, human, reason, assessment in rows:
        # Shadow before live: where one watched the other is not needed.
        if comment_id in seen or len(seen) >= MOST:
            continue
        if assessment.policy == label:
            machine, matched = assessment.verdict, tuple(str(match["rule"]) for match in assessment.matched)
        elif assessment.signal_schema == signals.SCHEMA_VERSION:
            ruling = evaluate(policy, assessment.signals)
            machine, matched = str(ruling.verdict), tuple(match.name for match in ruling.matched)
        else:
            continue
        seen.add(comment_id)
        yield _Pair(comment_id, human, reason, machine, matched)


def _before(session: Session, site_id: UUID) -> str | None:
    """Return the policy that watches, to go back to."""
    watching = policies.find_version(session, site_id, Subject.POLICY, DEFAULT)
    return policies.label(watching)
