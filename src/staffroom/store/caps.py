"""The caps of a home's budgets; what was spent under them is in the `SpendBook`."""

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from staffroom.records.budgets import Cap, CapPeriod, CapScope
from staffroom.store.database import Database
from staffroom.store.schema import caps

__all__ = ["Caps"]


class Caps:
    """Caps by whom they hold for, their unit and their period."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, cap: Cap) -> None:
        """Keep a cap, instead of the one there was for the same subject, unit and period."""
        statement = insert(caps).values(
            scope=cap.scope.value,
            subject=cap.subject,
            unit=cap.unit,
            period=cap.period.value,
            amount=cap.amount,
        )
        with self._database.write() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["scope", "subject", "unit", "period"], set_={"amount": cap.amount}
                )
            )

    def remove(self, scope: CapScope, subject: str) -> int:
        """Remove all caps of a subject and return how many there were."""
        with self._database.write() as connection:
            return connection.execute(
                delete(caps).where(caps.c.scope == scope.value, caps.c.subject == subject)
            ).rowcount

    def list(self) -> list[Cap]:
        """Return all caps, ordered by whom they hold for."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(caps).order_by(caps.c.scope, caps.c.subject, caps.c.unit, caps.c.period)
            ).mappings()
            return [
                Cap(
                    CapScope(row["scope"]),
                    row["subject"],
                    row["unit"],
                    CapPeriod(row["period"]),
                    row["amount"],
                )
                for row in rows
            ]
