"""The tables that migrations make are the ones that the models describe."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import upgrade

from app import create_app
from devmode.config import Settings
from devmode.extensions import db


def test_migrations_and_models_agree(tmp_path: Path) -> None:
    app = create_app(
        Settings(
            database_url=f"sqlite:///{tmp_path / 'devmode.sqlite'}",
            secret_key="only for tests",
            start_code="sesame",
            host="here",
        )
    )
    with app.app_context():
        upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, db.metadata) == []
