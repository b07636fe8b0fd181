"""The audit, which takes new rows at its end and lets go of none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SQLITE = (
    """
    CREATE TRIGGER audit_keeps_what_it_says BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only: no record may be changed'); END
    """,
    """
    CREATE TRIGGER audit_keeps_what_it_has BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only: no record may be removed'); END
    """,
    # INSERT OR REPLACE removes a row without a DELETE
    """
    CREATE TRIGGER audit_takes_the_next BEFORE INSERT ON audit
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only: this is not the next record'); END
    """,
)
POSTGRESQL = (
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit is append-only: no % here', lower(TG_OP);
    END
    $$
    """,
    """
    CREATE TRIGGER audit_keeps_its_rows BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER audit_keeps_them_all BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE FUNCTION audit_takes_the_next() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM audit) THEN
            RAISE EXCEPTION 'the audit is append-only: this is not the next record';
        END IF;
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER audit_takes_the_next BEFORE INSERT ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_takes_the_next()
    """,
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("notable", sa.Boolean, nullable=False),
        sa.Column("previous", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    for statement in POSTGRESQL if _postgresql() else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit")
    if _postgresql():
        op.execute("DROP FUNCTION audit_is_append_only()")
        op.execute("DROP FUNCTION audit_takes_the_next()")


def _postgresql() -> bool:
    return bool(op.get_bind().dialect.name == "postgresql")
