"""The schema: tables for both databases, the open cases in their order, and an audit log that only grows."""

import sqlalchemy as sa
from alembic import op

from moderation.models import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hashing_key",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("retired_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hashing_key")),
        sqlite_strict=True,
    )
    op.create_table(
        "heartbeat",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=False),
        sa.Column("seen_at", types.Moment(), nullable=False),
        sa.Column("detail", types.Json(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeat")),
        sqlite_strict=True,
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        sqlite_strict=True,
    )
    op.create_table(
        "site",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("origins", types.Json(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "user",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("disabled_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
        sqlite_strict=True,
    )
    op.create_table(
        "audit",
        sa.Column("site_id", types.Id(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", types.Json(), nullable=False),
        sa.Column("seq", types.Number, nullable=True),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("seal", sa.LargeBinary(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_audit_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("seq", name=op.f("uq_audit_seq")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_audit_site_id_id"), "audit", ["site_id", "id"], unique=False)
    op.create_index(
        "ix_audit_unsealed",
        "audit",
        ["id"],
        unique=False,
        sqlite_where=sa.text("seq IS NULL"),
        postgresql_where=sa.text("seq IS NULL"),
    )
    op.create_table(
        "author",
        sa.Column("identity_kind", sa.Text(), nullable=False),
        sa.Column("identity_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_author_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_author")),
        sa.UniqueConstraint(
            "site_id", "identity_kind", "identity_key", name=op.f("uq_author_site_id_identity_kind_identity_key")
        ),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_author_site_id_name_key"), "author", ["site_id", "name_key"], unique=False)
    op.create_table(
        "endpoint",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", types.Json(), nullable=False),
        sa.Column("include_text", types.Flag(), nullable=False),
        sa.Column("secrets", types.Json(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("failures", types.Number, nullable=False),
        sa.Column("gone", types.Number, nullable=False),
        sa.Column("failing_since", types.Moment(), nullable=True),
        sa.Column("open_until", types.Moment(), nullable=True),
        sa.Column("deleted_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_endpoint_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_endpoint_site_id_created_at"), "endpoint", ["site_id", "created_at"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("comment_ids", types.Json(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_idempotency_site_id_site")),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", types.Id(), nullable=False),
        sa.Column("revision", types.Number, nullable=False),
        sa.Column("priority", types.Number, nullable=False),
        sa.Column("run_at", types.Moment(), nullable=False),
        sa.Column("attempts", types.Number, nullable=False),
        sa.Column("fence", types.Number, nullable=False),
        sa.Column("lease_until", types.Moment(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.Column("order_seq", types.Number, nullable=True),
        sa.Column("cost_ms", types.Real, nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_job_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("kind", "subject_id", "revision", name=op.f("uq_job_kind_subject_id_revision")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_job_kind_site_id_priority_run_at"), "job", ["kind", "site_id", "priority", "run_at"], unique=False)
    op.create_index(op.f("ix_job_order_key_order_seq"), "job", ["order_key", "order_seq"], unique=False)
    op.create_table(
        "key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        sa.Column("expires_at", types.Moment(), nullable=True),
        sa.Column("revoked_at", types.Moment(), nullable=True),
        sa.Column("last_used_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_key_site_id_site")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_key_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key")),
        sa.UniqueConstraint("handle", name=op.f("uq_key_handle")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_key_site_id_created_at"), "key", ["site_id", "created_at"], unique=False)
    op.create_table(
        "membership",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_membership_site_id_site")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_membership_user_id_user")),
        sa.PrimaryKeyConstraint("site_id", "user_id", name=op.f("pk_membership")),
        sqlite_strict=True,
    )
    op.create_table(
        "post",
        sa.Column("canonical_key", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("author_names", types.Json(), nullable=False),
        sa.Column("published_at", types.Moment(), nullable=True),
        sa.Column("openness", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_post_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("site_id", "canonical_key", name=op.f("uq_post_site_id_canonical_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_post_site_id_external_id", "post", ["site_id", "external_id"], unique=True)
    op.create_table(
        "publisher",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("config", types.Json(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_publisher_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publisher")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_publisher_site_id_created_at"), "publisher", ["site_id", "created_at"], unique=False)
    op.create_table(
        "version",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", types.Number, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", types.Json(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_version_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("site_id", "subject", "name", "number", name=op.f("uq_version_site_id_subject_name_number")),
        sqlite_strict=True,
    )
    op.create_table(
        "activation",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version_id", types.Id(), nullable=True),
        sa.Column("post_id", types.Id(), nullable=True),
        sa.Column("activated_by", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_activation_post_id_post")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_activation_site_id_site")),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_activation_version_id_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_activation_site_id_subject_post_id_id"), "activation", ["site_id", "subject", "post_id", "id"], unique=False
    )
    op.create_table(
        "comment",
        sa.Column("post_id", types.Id(), nullable=False),
        sa.Column("author_id", types.Id(), nullable=False),
        sa.Column("parent_id", types.Id(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", types.Number, nullable=False),
        sa.Column("decision_seq", types.Number, nullable=False),
        sa.Column("current_revision", types.Number, nullable=False),
        sa.Column("visible_revision", types.Number, nullable=True),
        sa.Column("human_rejected", types.Flag(), nullable=False),
        sa.Column("submitted_at", types.Moment(), nullable=True),
        sa.Column("published_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name=op.f("fk_comment_author_id_author")),
        sa.ForeignKeyConstraint(["parent_id"], ["comment.id"], name=op.f("fk_comment_parent_id_comment")),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_comment_post_id_post")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_comment_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_comment_site_id_author_id_created_at_status"),
        "comment",
        ["site_id", "author_id", "created_at", "status"],
        unique=False,
    )
    op.create_index(op.f("ix_comment_site_id_created_at"), "comment", ["site_id", "created_at"], unique=False)
    op.create_index("ix_comment_site_id_external_id", "comment", ["site_id", "external_id"], unique=True)
    op.create_index(op.f("ix_comment_site_id_post_id_id"), "comment", ["site_id", "post_id", "id"], unique=False)
    op.create_table(
        "case",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("post_id", types.Id(), nullable=False),
        sa.Column("author_id", types.Id(), nullable=False),
        sa.Column("revision", types.Number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reasons", types.Json(), nullable=False),
        sa.Column("alert", types.Flag(), nullable=False),
        sa.Column("escalated", types.Flag(), nullable=False),
        sa.Column("priority", types.Real, nullable=False),
        sa.Column("claimed_by", types.Id(), nullable=True),
        sa.Column("claimed_until", types.Moment(), nullable=True),
        sa.Column("closed_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name=op.f("fk_case_author_id_author")),
        sa.ForeignKeyConstraint(["claimed_by"], ["user.id"], name=op.f("fk_case_claimed_by_user")),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_case_comment_id_comment")),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_case_post_id_post")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_case_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_case_open",
        "case",
        ["site_id", "escalated", "priority", "id"],
        unique=False,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "uq_case_open_comment",
        "case",
        ["comment_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "event",
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("comment_id", types.Id(), nullable=True),
        sa.Column("seq", types.Number, nullable=True),
        sa.Column("data", types.Json(), nullable=False),
        sa.Column("feed_pos", types.Number, nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_event_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_event_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("comment_id", "seq", name=op.f("uq_event_comment_id_seq")),
        sa.UniqueConstraint("feed_pos", name=op.f("uq_event_feed_pos")),
        sqlite_strict=True,
    )
    op.create_index("ix_event_feed", "event", ["site_id", "feed_pos"], unique=False)
    op.create_index(
        "ix_event_unplaced",
        "event",
        ["id"],
        unique=False,
        sqlite_where=sa.text("feed_pos IS NULL"),
        postgresql_where=sa.text("feed_pos IS NULL"),
    )
    op.create_table(
        "link_domain",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_link_domain_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_link_domain_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", "domain", "comment_id", name=op.f("pk_link_domain")),
        sqlite_strict=True,
    )
    op.create_table(
        "near_copy",
        sa.Column("site_id", types.Id(), nullable=False),
        sa.Column("band", types.Number, nullable=False),
        sa.Column("value", types.Number, nullable=False),
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("author_id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name=op.f("fk_near_copy_author_id_author")),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_near_copy_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_near_copy_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", "band", "value", "comment_id", name=op.f("pk_near_copy")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_near_copy_created_at"), "near_copy", ["created_at"], unique=False)
    op.create_table(
        "publication",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("publisher_id", types.Id(), nullable=False),
        sa.Column("wanted", types.Number, nullable=False),
        sa.Column("applied", types.Number, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", types.Number, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_publication_comment_id_comment")),
        sa.ForeignKeyConstraint(["publisher_id"], ["publisher.id"], name=op.f("fk_publication_publisher_id_publisher")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_publication_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
        sa.UniqueConstraint("comment_id", "publisher_id", name=op.f("uq_publication_comment_id_publisher_id")),
        sqlite_strict=True,
    )
    op.create_table(
        "report",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("reporter_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_report_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_report_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("site_id", "comment_id", "reporter_key", name=op.f("uq_report_site_id_comment_id_reporter_key")),
        sqlite_strict=True,
    )
    op.create_table(
        "revision",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("number", types.Number, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("text_hash", sa.LargeBinary(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=True),
        sa.Column("user_agent_hash", sa.LargeBinary(), nullable=True),
        sa.Column("context", types.Json(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_revision_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_revision_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
        sa.UniqueConstraint("comment_id", "number", name=op.f("uq_revision_comment_id_number")),
        sqlite_strict=True,
    )
    op.create_table(
        "assessment",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("revision_id", types.Id(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("signal_schema", types.Number, nullable=False),
        sa.Column("signals", types.Json(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_version_id", types.Id(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("matched", types.Json(), nullable=False),
        sa.Column("not_evaluated", types.Json(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_assessment_comment_id_comment")),
        sa.ForeignKeyConstraint(["policy_version_id"], ["version.id"], name=op.f("fk_assessment_policy_version_id_version")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_assessment_revision_id_revision")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_assessment_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_assessment_site_id_comment_id_id"), "assessment", ["site_id", "comment_id", "id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("event_id", types.Id(), nullable=False),
        sa.Column("endpoint_id", types.Id(), nullable=False),
        sa.Column("comment_id", types.Id(), nullable=True),
        sa.Column("seq", types.Number, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", types.Number, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_delivery_comment_id_comment")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoint.id"], name=op.f("fk_delivery_endpoint_id_endpoint")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_delivery_event_id_event")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_delivery_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("event_id", "endpoint_id", name=op.f("uq_delivery_event_id_endpoint_id")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_delivery_comment_id_endpoint_id"), "delivery", ["comment_id", "endpoint_id"], unique=False)
    op.create_index(
        op.f("ix_delivery_site_id_endpoint_id_state_id"), "delivery", ["site_id", "endpoint_id", "state", "id"], unique=False
    )
    op.create_table(
        "score",
        sa.Column("revision_id", types.Id(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("values", types.Json(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_score_revision_id_revision")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_score_site_id_site")),
        sa.PrimaryKeyConstraint("revision_id", "model_version", name=op.f("pk_score")),
        sqlite_strict=True,
    )
    op.create_table(
        "attempt",
        sa.Column("delivery_id", types.Id(), nullable=False),
        sa.Column("number", types.Number, nullable=False),
        sa.Column("duration_ms", types.Number, nullable=False),
        sa.Column("response_status", types.Number, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response_excerpt", sa.Text(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_attempt_delivery_id_delivery")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_attempt_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_attempt_delivery_id_id"), "attempt", ["delivery_id", "id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("comment_id", types.Id(), nullable=False),
        sa.Column("seq", types.Number, nullable=False),
        sa.Column("revision", types.Number, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decider", sa.Text(), nullable=False),
        sa.Column("user_id", types.Id(), nullable=True),
        sa.Column("reason", types.Number, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reasons", types.Json(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("assessment_id", types.Id(), nullable=True),
        sa.Column("versions", types.Json(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("undoes", types.Id(), nullable=True),
        sa.Column("replaced_status", sa.Text(), nullable=False),
        sa.Column("replaced_visible", types.Number, nullable=True),
        sa.Column("replaced_human_rejected", types.Flag(), nullable=False),
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("site_id", types.Id(), nullable=False),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessment.id"], name=op.f("fk_decision_assessment_id_assessment")),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], name=op.f("fk_decision_comment_id_comment")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_decision_site_id_site")),
        sa.ForeignKeyConstraint(["undoes"], ["decision.id"], name=op.f("fk_decision_undoes_decision")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_decision_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint("comment_id", "seq", name=op.f("uq_decision_comment_id_seq")),
        sa.UniqueConstraint("site_id", "cause", name=op.f("uq_decision_site_id_cause")),
        sa.UniqueConstraint("undoes", name=op.f("uq_decision_undoes")),
        sqlite_strict=True,
    )
    guard_audit()


def postgresql() -> bool:
    """Tell which of the two databases this is."""
    return op.get_context().dialect.name == "postgresql"


def guard_audit() -> None:
    """Refuse to change a sealed audit row or to delete any: the chain would show it, this prevents it."""
    if postgresql():
        op.execute(
            "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_keeps_sealed_rows BEFORE UPDATE ON audit FOR EACH ROW WHEN (OLD.seq IS NOT NULL) "
            "EXECUTE FUNCTION audit_only_grows()"
        )
        op.execute("CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_only_grows()")
        return
    op.execute(
        "CREATE TRIGGER audit_keeps_sealed_rows BEFORE UPDATE ON audit WHEN OLD.seq IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
    )
    op.execute(
        "CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_keeps_sealed_rows ON audit" if postgresql() else "DROP TRIGGER audit_keeps_sealed_rows")
    op.execute("DROP TRIGGER audit_keeps_rows ON audit" if postgresql() else "DROP TRIGGER audit_keeps_rows")
    if postgresql():
        op.execute("DROP FUNCTION audit_only_grows()")
    op.drop_table("decision")
    op.drop_index(op.f("ix_attempt_delivery_id_id"), table_name="attempt")
    op.drop_table("attempt")
    op.drop_table("score")
    op.drop_index(op.f("ix_delivery_site_id_endpoint_id_state_id"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_comment_id_endpoint_id"), table_name="delivery")
    op.drop_table("delivery")
    op.drop_index(op.f("ix_assessment_site_id_comment_id_id"), table_name="assessment")
    op.drop_table("assessment")
    op.drop_table("revision")
    op.drop_table("report")
    op.drop_table("publication")
    op.drop_index(op.f("ix_near_copy_created_at"), table_name="near_copy")
    op.drop_table("near_copy")
    op.drop_table("link_domain")
    op.drop_index(
        "ix_event_unplaced",
        table_name="event",
        sqlite_where=sa.text("feed_pos IS NULL"),
        postgresql_where=sa.text("feed_pos IS NULL"),
    )
    op.drop_index("ix_event_feed", table_name="event")
    op.drop_table("event")
    op.drop_index("ix_case_open", table_name="case")
    op.drop_index(
        "uq_case_open_comment",
        table_name="case",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_table("case")
    op.drop_index(op.f("ix_comment_site_id_post_id_id"), table_name="comment")
    op.drop_index("ix_comment_site_id_external_id", table_name="comment")
    op.drop_index(op.f("ix_comment_site_id_created_at"), table_name="comment")
    op.drop_index(op.f("ix_comment_site_id_author_id_created_at_status"), table_name="comment")
    op.drop_table("comment")
    op.drop_index(op.f("ix_activation_site_id_subject_post_id_id"), table_name="activation")
    op.drop_table("activation")
    op.drop_table("version")
    op.drop_index(op.f("ix_publisher_site_id_created_at"), table_name="publisher")
    op.drop_table("publisher")
    op.drop_index("ix_post_site_id_external_id", table_name="post")
    op.drop_table("post")
    op.drop_table("membership")
    op.drop_index(op.f("ix_key_site_id_created_at"), table_name="key")
    op.drop_table("key")
    op.drop_index(op.f("ix_job_order_key_order_seq"), table_name="job")
    op.drop_index(op.f("ix_job_kind_site_id_priority_run_at"), table_name="job")
    op.drop_table("job")
    op.drop_index(op.f("ix_idempotency_created_at"), table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_index(op.f("ix_endpoint_site_id_created_at"), table_name="endpoint")
    op.drop_table("endpoint")
    op.drop_index(op.f("ix_author_site_id_name_key"), table_name="author")
    op.drop_table("author")
    op.drop_index(
        "ix_audit_unsealed", table_name="audit", sqlite_where=sa.text("seq IS NULL"), postgresql_where=sa.text("seq IS NULL")
    )
    op.drop_index(op.f("ix_audit_site_id_id"), table_name="audit")
    op.drop_table("audit")
    op.drop_table("user")
    op.drop_table("site")
    op.drop_table("lease")
    op.drop_table("heartbeat")
    op.drop_table("hashing_key")
