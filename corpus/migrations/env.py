"""Run the steps on the connection that the catalog has opened."""

from alembic import context

from corpus.database import SCHEMA_TABLE
from corpus.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=SCHEMA_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
