"""How the catalog's schema came about, step by step; Alembic runs them."""
