"""Dates and sums of money, in the formats that documents use."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
FIRST_DAY, DAYS = date(2019, 1, 1), 3000


def random_date(rng: random.Random) -> date:
    """Return a random day within `DAYS` of `FIRST_DAY`."""
    return FIRST_DAY + timedelta(days=rng.randrange(DAYS))


def format_date(rng: random.Random, day: date) -> str:
    """Return a date in one of five formats, all of which are clear about the month."""
    month = MONTHS[day.month - 1]
    return rng.choice(
        (
            day.isoformat(),
            f"{day.day:02}.{day.month:02}.{day.year}",
            f"{day.day} {month} {day.year}",
            f"{month} {day.day}, {day.year}",
            f"{day.day} {month[:3]} {day.year}",
        )
    )


@dataclass(frozen=True, slots=True)
class MoneyFormat:
    """The format of all sums in a document: currency before or after, and decimal mark."""

    prefix: str
    suffix: str
    decimal_mark: str

    def format(self, cents: int) -> str:
        """Return an amount of `cents`."""
        return f"{self.prefix}{cents // 100}{self.decimal_mark}{cents % 100:02}{self.suffix}"


MONEY_FORMATS = (
    MoneyFormat("", "", "."),
    MoneyFormat("", "", ","),
    MoneyFormat("", " €", ","),
    MoneyFormat("€", "", "."),
    MoneyFormat("$", "", "."),
    MoneyFormat("£", "", "."),
    MoneyFormat("", " EUR", "."),
    MoneyFormat("", " CHF", "."),
)


def format_answer(cents: int) -> str:
    """Return an amount as in the answer: 17.40."""
    return f"{cents // 100}.{cents % 100:02}"
